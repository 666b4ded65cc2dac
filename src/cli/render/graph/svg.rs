//! A picture laid out by ourselves: a tidy tree from left to right, a column for each level and a row for each leaf. What has
//! something below it stands in the middle of that, so that no two boxes of a column ever meet.

use std::fmt::Write;

use super::{Cluster, Look, Tile};
use crate::model::visible;

/// A box, and what is between two of them.
const WIDTH: usize = 300;
const COLUMN: usize = WIDTH + 50;
const LINE: usize = 16;
const PADDING: usize = 8;
const GAP: usize = 12;
/// Around everything, and above the boxes of a cluster.
const MARGIN: usize = 16;
const HEAD: usize = 34;
/// What fits into a line of a box, in letters of usual width; of bold ones fewer do.
const LETTERS: usize = 36;
const BOLD_LETTERS: usize = 31;

/// Draws clusters one below the other.
pub(super) fn draw(clusters: &[Cluster]) -> String {
    let mut body = String::new();
    let (mut top, mut width) = (MARGIN, 2 * MARGIN + COLUMN);
    for cluster in clusters {
        let placed = Placed::of(cluster);
        width = width.max(placed.width + 2 * MARGIN);
        placed.draw(&mut body, cluster, top);
        top += placed.height + MARGIN;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{top}\" viewBox=\"0 0 {width} {top}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<title>Companies and customers</title>\n<rect width=\"{width}\" \
         height=\"{top}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// Where the boxes of one cluster stand.
struct Placed {
    /// The middle of each box, in half pixels, since a middle between two rows may lie between two pixels.
    middles: Vec<usize>,
    height: usize,
    width: usize,
}

impl Placed {
    fn of(cluster: &Cluster) -> Self {
        let boxes = &cluster.boxes;
        let tallest = boxes.iter().map(tall).max().unwrap_or(0);
        let row = 2 * (tallest + GAP);
        // The first and the last of what is below each box.
        let mut below: Vec<Option<(usize, usize)>> = vec![None; boxes.len()];
        let mut parents = vec![false; boxes.len()];
        for above in boxes.iter().filter_map(|tile| tile.above) {
            parents[above] = true;
        }
        let leaves = parents.iter().filter(|parent| !**parent).count();
        let mut next = leaves;
        let mut middles = vec![0; boxes.len()];
        // From the last to the first, so that what is below is known before what is above it.
        for (place, tile) in boxes.iter().enumerate().rev() {
            let middle = if let Some((first, last)) = below[place] {
                usize::midpoint(first, last)
            } else {
                next -= 1;
                next * row + tallest + GAP
            };
            middles[place] = middle;
            if let Some(above) = tile.above {
                let last = below[above].map_or(middle, |(_, last)| last);
                below[above] = Some((middle, last));
            }
        }
        let columns = boxes.iter().map(|tile| tile.depth + 1).max().unwrap_or(1);
        Self { middles, height: HEAD + leaves * row / 2 + MARGIN / 2, width: columns * COLUMN - (COLUMN - WIDTH) + 2 * MARGIN }
    }

    fn draw(&self, out: &mut String, cluster: &Cluster, top: usize) {
        let Self { middles, height, width } = self;
        let Cluster { title, boxes } = cluster;
        let _ = writeln!(
            out,
            "<g><rect x=\"{MARGIN}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#f6f8fa\" \
             stroke=\"#d0d7de\"/>\n<text x=\"{}\" y=\"{}\" font-weight=\"bold\" fill=\"#1f2328\">{}</text>",
            2 * MARGIN,
            top + 22,
            xml(title)
        );
        let x = |tile: &Tile| 2 * MARGIN + tile.depth * COLUMN;
        let y = |place: usize| top + HEAD + middles[place] / 2;
        for (place, tile) in boxes.iter().enumerate() {
            let Some(above) = tile.above else { continue };
            let (from, to, turn) = (x(&boxes[above]) + WIDTH, x(tile), x(tile) - (COLUMN - WIDTH) / 2);
            let (start, end) = (y(above), y(place));
            let _ = writeln!(out, "<path d=\"M{from} {start}H{turn}V{end}H{to}\" fill=\"none\" stroke=\"#8c959f\"/>");
        }
        for (place, tile) in boxes.iter().enumerate() {
            draw_box(out, tile, x(tile), y(place) - tall(tile) / 2);
        }
        out.push_str("</g>\n");
    }
}

fn tall(tile: &Tile) -> usize {
    tile.lines.len() * LINE + 2 * PADDING
}

fn draw_box(out: &mut String, tile: &Tile, x: usize, y: usize) {
    let Tile { lines, look, round, above: _, depth: _ } = tile;
    let (fill, stroke, text, dashes) = match look {
        Look::Plain => ("#ffffff", "#57606a", "#1f2328", ""),
        Look::Off => ("#eeeeee", "#777777", "#555555", " stroke-dasharray=\"4 3\""),
        Look::Wrong => ("#fff1f0", "#b42318", "#7a1a12", ""),
    };
    let radius = if *round { 14 } else { 3 };
    let _ = writeln!(
        out,
        "<g fill=\"{text}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{}\" rx=\"{radius}\" \
         fill=\"{fill}\" stroke=\"{stroke}\"{dashes}/>",
        xml(&lines.join(" · ")),
        tall(tile)
    );
    for (row, line) in lines.iter().enumerate() {
        let (weight, room) = if row == 0 { (" font-weight=\"bold\"", BOLD_LETTERS) } else { ("", LETTERS) };
        let baseline = y + PADDING + row * LINE + 12;
        let _ = writeln!(out, "<text x=\"{}\" y=\"{baseline}\"{weight}>{}</text>", x + 10, xml(&fitting(line, room)));
    }
    out.push_str("</g>\n");
}

/// As much of a line as fits into a box; the whole of it is in the title that a pointer over the box shows.
fn fitting(line: &str, mut room: usize) -> String {
    let mut out = String::new();
    for c in line.chars() {
        // Letters of Chinese, Japanese and Korean are as wide as two.
        let wide = if u32::from(c) >= 0x1100 { 2 } else { 1 };
        if room < wide {
            out.push('…');
            break;
        }
        room -= wide;
        out.push(c);
    }
    out
}

/// Text in an element of XML. Two characters that may be in a name may not be in XML at all (XML 1.0 §2.2).
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{FFFE}' | '\u{FFFF}' => out.extend(c.escape_unicode()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(above: Option<usize>, depth: usize) -> Tile {
        Tile { lines: vec!["a".into(), "b".into()], look: Look::Plain, round: false, above, depth }
    }

    #[test]
    fn boxes_of_one_column_never_meet_and_what_is_above_stands_in_the_middle() {
        let above = [None, Some(0), Some(1), Some(1), Some(0), Some(4), None, Some(6)];
        let mut boxes: Vec<Tile> = Vec::new();
        for above in above {
            boxes.push(tile(above, above.map_or(0, |row: usize| boxes[row].depth + 1)));
        }
        let cluster = Cluster { title: "n".into(), boxes };
        let Placed { middles, height, width: _ } = Placed::of(&cluster);
        for (a, one) in cluster.boxes.iter().enumerate() {
            assert!(middles[a] / 2 + tall(one) / 2 <= height, "{a}");
            for (b, other) in cluster.boxes.iter().enumerate().filter(|(b, other)| *b > a && other.depth == one.depth) {
                assert!(middles[b] - middles[a] >= 2 * tall(other), "{a} and {b}: {middles:?}");
            }
        }
        assert_eq!(middles[1], usize::midpoint(middles[2], middles[3]));
        assert_eq!(middles[4], middles[5]);
    }

    #[test]
    fn text_stays_text_and_fits() {
        assert_eq!(xml("<a href='x'>\"&\u{1b}\u{ffff}"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\\u{1b}\\u{ffff}");
        assert_eq!(fitting(&"x".repeat(40), LETTERS).chars().count(), LETTERS + 1);
        assert_eq!(fitting(&"東".repeat(40), LETTERS).chars().count(), LETTERS / 2 + 1);
    }
}
