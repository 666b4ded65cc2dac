'use strict';
// Everything that is shown is text: it goes into the page as text nodes alone, and nothing is ever fetched.
(() => {
  const STEP = 200;
  const { groups, kinds, rows, nodes } = JSON.parse(document.getElementById('data').textContent);
  // The check of documents has no plan.
  if (rows.length + nodes.length === 0) return;
  const by = id => document.getElementById(id);
  const make = (tag, of = {}, ...inside) => {
    const it = document.createElement(tag);
    for (const [name, value] of Object.entries(of)) {
      if (name === 'click') it.addEventListener('click', value);
      else it.setAttribute(name, value);
    }
    it.append(...inside);
    return it;
  };
  const number = n => String(n).replace(/\B(?=(\d{3})+$)/g, '\u00a0');
  const plural = (n, one, several) => `${number(n)} ${n === 1 ? one : several}`;

  // Nodes stand before what is below them, so one pass from the end sums up.
  nodes.forEach((node, at) => Object.assign(node, { at, below: [], changes: 0, end: at + 1 }));
  for (const row of rows) {
    row.words = [row.key, row.what, row.source ?? '', row.error ?? '', ...row.details].join('\n').toLowerCase();
    if (row.at !== null) nodes[row.at].changes += 1;
  }
  for (const node of [...nodes].reverse()) {
    if (node.above === null) continue;
    const above = nodes[node.above];
    above.below.unshift(node);
    above.changes += node.changes;
    above.end = Math.max(above.end, node.end);
  }

  const wanted = { groups: new Set(), kinds: new Set(), text: '', grave: false, node: null };
  let found = [], shown = 0;

  const fits = ({ group, kind, at, words }) =>
    (wanted.groups.size === 0 || wanted.groups.has(group)) && (wanted.kinds.size === 0 || wanted.kinds.has(kind)) &&
    (!wanted.grave || groups[group].grave) && (wanted.text === '' || words.includes(wanted.text)) &&
    (wanted.node === null || (at !== null && at >= wanted.node.at && at < wanted.node.end));

  const line = row => {
    const { loss, held } = groups[row.group];
    const what = make('td', {}, row.what);
    if (row.outcome) what.append(make('span', { class: `outcome ${row.outcome}` }, row.outcome));
    const details = make('ul', {}, ...row.details.map(text => make('li', {}, text)));
    if (row.error) details.append(make('li', { class: 'outcome failed' }, row.error));
    const of = loss ? { class: 'loss' } : held ? { class: 'held' } : {};
    return make('tr', of, what, make('td', {}, row.key), make('td', {}, details), make('td', {}, row.source ?? ''));
  };

  const say = () => {
    const where = wanted.node ? ` in ${wanted.node.title}` : '';
    const all = found.length === rows.length ? '' : ` of ${number(rows.length)}`;
    const cut = shown < found.length ? `, the first ${number(shown)} are shown` : '';
    by('count').textContent = `${number(found.length)}${all} ${rows.length === 1 ? 'row' : 'rows'}${where}${cut}.`;
    by('more').hidden = shown >= found.length;
  };
  // A few at a time: ten thousand rows at once would make a browser stand still.
  const more = () => {
    const next = found.slice(shown, shown + STEP);
    by('rows').append(...next.map(line));
    shown += next.length;
    say();
  };
  const show = () => {
    found = rows.filter(fits);
    shown = 0;
    by('rows').replaceChildren();
    more();
  };

  const chips = (into, set, all) => {
    for (const [value, title, count] of all) {
      const toggle = ({ currentTarget: it }) => {
        set.has(value) ? set.delete(value) : set.add(value);
        it.setAttribute('aria-pressed', set.has(value));
        show();
      };
      by(into).append(make('button', { type: 'button', class: 'chip', 'aria-pressed': 'false', click: toggle }, `${title} ${number(count)}`));
    }
  };
  const count = test => rows.filter(test).length;
  chips('verbs', wanted.groups, groups.map(({ title }, at) => [at, title, count(row => row.group === at)]).filter(it => it[2] > 0));
  chips('kinds', wanted.kinds, kinds.map((title, at) => [at, title, count(row => row.kind === at)]).filter(it => it[2] > 0));

  const pick = (node, button) => {
    const again = wanted.node === node;
    for (const it of by('tree').querySelectorAll('.pick[aria-pressed="true"]')) it.setAttribute('aria-pressed', 'false');
    wanted.node = again ? null : node;
    button.setAttribute('aria-pressed', !again);
    show();
  };
  // Branches are made when they are opened, a few at a time as well.
  const branch = (list, below, from = 0) => {
    list.append(...below.slice(from, from + STEP).map(item));
    const next = from + STEP;
    if (next < below.length) {
      const rest = make('li', {}, make('button', { type: 'button', click: () => { rest.remove(); branch(list, below, next); } },
        `${number(below.length - next)} more`));
      list.append(rest);
    }
  };
  const unfold = (node, into, fold) => {
    let list = into.querySelector(':scope > ul');
    if (!list) {
      list = make('ul');
      branch(list, node.below);
      into.append(list);
      list.hidden = true;
    }
    list.hidden = !list.hidden;
    fold.setAttribute('aria-expanded', !list.hidden);
    fold.textContent = list.hidden ? '▸' : '▾';
  };
  const item = node => {
    const into = make('li');
    const name = make('button', { type: 'button', class: 'pick', 'aria-pressed': wanted.node === node, click: () => pick(node, name) },
      `${node.title} `, make('span', { class: 'count' }, node.changes ? `(${number(node.changes)})` : ''));
    if (node.name && node.name !== node.title) name.append(make('span', { class: 'people' }, node.name));
    if (node.within) {
      const roles = node.roles.map(([role, n]) => `${number(n)} ${role}`).join(', ');
      name.append(make('span', { class: 'people' }, plural(node.within, 'user', 'users') + (roles ? `; here ${roles}` : '') +
        (node.disabled ? `, ${number(node.disabled)} of them disabled` : '')));
    }
    for (const mark of node.marks) name.append(make('span', { class: 'mark' }, mark));
    const fold = node.below.length
      ? make('button', { type: 'button', class: 'fold', 'aria-expanded': 'false', 'aria-label': `What is in ${node.title}`,
        click: () => unfold(node, into, fold) }, '▸')
      : make('span', { class: 'fold' });
    into.append(make('div', { class: 'item' }, fold, name));
    if (node.below.length && (node.depth === 0 || nodes.length <= 60)) unfold(node, into, fold);
    return into;
  };
  branch(by('tree'), nodes.filter(node => node.above === null));
  if (nodes.length === 0) document.querySelector('nav').hidden = true;

  let waiting = 0;
  by('search').addEventListener('input', ({ target }) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { wanted.text = target.value.trim().toLowerCase(); show(); }, 120);
  });
  by('grave').addEventListener('change', ({ target }) => { wanted.grave = target.checked; show(); });
  by('filters').addEventListener('submit', event => event.preventDefault());
  by('next').addEventListener('click', more);
  by('everything').addEventListener('click', () => {
    clearTimeout(waiting);
    wanted.groups.clear();
    wanted.kinds.clear();
    Object.assign(wanted, { text: '', grave: false, node: null });
    by('filters').reset();
    for (const it of document.querySelectorAll('[aria-pressed="true"]')) it.setAttribute('aria-pressed', 'false');
    show();
  });

  show();
  by('whole').hidden = true;
  by('app').hidden = false;
})();
