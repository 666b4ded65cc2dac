//! Reading on all cores, with little memory: a file is read by whoever is free, a large one is shared in batches, and
//! each text is dropped with its last batch.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use super::{
    Limits,
    document::{self, Format, Found},
    place,
    split::{self, Piece},
    text,
};
use crate::manifest::{Code, Lowered, Origin, Place, Problem, Sources};

/// A batch holds about this many bytes of documents.
const BATCH: usize = 128 << 10;
/// How many problems one batch tells; a file of nothing but rubbish must not fill the memory.
const PROBLEMS: usize = 2_000;

/// What a batch turned out to be.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) documents: Vec<Lowered>,
    pub(super) problems: Vec<Problem>,
    pub(super) unreadable: usize,
    pub(super) foreign: usize,
    pub(super) count: usize,
}

/// Which file, which batch of it, and what it turned out to be.
type Done = ((u32, usize), Read);

struct Batch {
    file: u32,
    row: usize,
    json: bool,
    text: Arc<str>,
    pieces: Vec<Piece>,
}

#[derive(Default)]
struct Queue {
    next: u32,
    batches: VecDeque<Batch>,
    /// Workers that cut a file and may yet add batches.
    cutting: usize,
    done: Vec<Done>,
}

struct Shared<'a> {
    sources: &'a Sources,
    limits: &'a Limits,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Reads all files; the results are in the order of files and lines.
pub(super) fn read(sources: &Sources, limits: &Limits) -> Vec<Read> {
    let shared = Shared { sources, limits, queue: Mutex::default(), changed: Condvar::new() };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = limits.threads.unwrap_or(cores).clamp(1, 64);
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    let mut done = shared.queue.into_inner().unwrap_or_else(PoisonError::into_inner).done;
    done.sort_unstable_by_key(|it| it.0);
    done.into_iter().map(|it| it.1).collect()
}

impl Shared<'_> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes batches before files, so that few texts are in memory, until nothing is left.
    fn work(&self) {
        let mut queue = self.queue();
        loop {
            if let Some(batch) = queue.batches.pop_front() {
                drop(queue);
                let (at, read) = ((batch.file, batch.row), self.lower(batch));
                queue = self.queue();
                queue.done.push((at, read));
            } else if (queue.next as usize) < self.sources.len() {
                let file = queue.next;
                queue.next += 1;
                queue.cutting += 1;
                drop(queue);
                let (first, batches) = self.cut(file);
                queue = self.queue();
                queue.done.extend(first);
                queue.batches.extend(batches);
                queue.cutting -= 1;
                self.changed.notify_all();
            } else if queue.cutting > 0 {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            } else {
                return;
            }
        }
    }

    /// Reads and cuts a file.
    fn cut(&self, file: u32) -> (Option<Done>, Vec<Batch>) {
        let json = self.sources.files[file as usize].is_json();
        let text = match text(self.sources, file, self.limits.file) {
            Ok(text) => text,
            Err(problem) => {
                let read = Read { problems: vec![*problem], unreadable: 1, ..Read::default() };
                return (Some(((file, 0), read)), Vec::new());
            }
        };
        let (pieces, faults) = split::split(&text, json);
        let first = (!faults.is_empty()).then(|| {
            let problem = |it| place::fault(it, &text, Origin { file, line: 1 });
            let read = Read { problems: faults.iter().map(problem).collect(), unreadable: faults.len(), ..Read::default() };
            ((file, 0), read)
        });
        let (mut batches, mut some, mut size) = (Vec::new(), Vec::new(), 0);
        for piece in pieces {
            size += piece.end - piece.start;
            some.push(piece);
            if size >= BATCH {
                batches.push(Batch { file, row: batches.len() + 1, json, text: text.clone(), pieces: std::mem::take(&mut some) });
                size = 0;
            }
        }
        if !some.is_empty() {
            batches.push(Batch { file, row: batches.len() + 1, json, text, pieces: some });
        }
        (first, batches)
    }

    fn lower(&self, batch: Batch) -> Read {
        let Batch { file, row: _, json, text, pieces } = batch;
        let format = Format { json, project: self.sources.files[file as usize].is_project() };
        let mut read = Read::default();
        let mut dropped = 0;
        for piece in pieces {
            let origin = Origin { file, line: piece.line };
            let before = read.problems.len();
            let found = if piece.end - piece.start > self.limits.document {
                let message = format!("a document larger than {} KiB", self.limits.document >> 10);
                read.problems.push(Problem::error(Code::TooMuch, origin, Place::At(piece.line, 1), message));
                Found::Unreadable
            } else {
                document::read(&piece.text(&text), format, origin, &mut read.problems)
            };
            match found {
                Found::Ours(lowered) => {
                    read.count += 1;
                    read.documents.push(lowered);
                }
                Found::Torn(lowered) => {
                    read.count += 1;
                    read.unreadable += 1;
                    read.documents.push(lowered);
                }
                Found::Unreadable => {
                    read.count += 1;
                    read.unreadable += 1;
                }
                Found::Foreign => read.foreign += 1,
                Found::Skipped => {}
            }
            if before >= PROBLEMS {
                dropped += read.problems.len() - before;
                read.problems.truncate(before);
            }
        }
        if dropped > 0 {
            let origin = Origin { file, line: 1 };
            let last = read.problems.last().map_or(origin, |it| it.origin);
            read.problems.push(Problem::error(
                Code::TooMuch,
                last,
                Place::At(last.line, 1),
                format!("{dropped} more problems from here on"),
            ));
        }
        read
    }
}
