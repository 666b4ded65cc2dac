//! `tenantry watch`: keeps a declaration applied with nobody at the keyboard. Files that change are applied, and from time to
//! time everything is looked at again, so that what others change is repaired.
//!
//! | it waits for | and then |
//! |---|---|
//! | a change in the files | looks at once; a pass that is under way is stopped at the next object: leavers wait for nobody's mails |
//! | the interval, the next `expires` | looks |
//! | a directory that is away, another run | tries again, soon at first |
//! | SIGHUP | reads the project again; keeps the old one where the new one is wrong |
//! | SIGTERM, Ctrl-C | stops at the next object |

mod eyes;
mod pass;

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use self::{
    eyes::Eyes,
    pass::{Came, Passes, Said},
};
use super::{
    args::{Format, ProjectArg},
    console::Console,
    exit::Exit,
    failure::Failure,
    input,
    interrupt::Interrupt,
    place::{self, STDIN},
    render::style::{DIM, WARNING, paint},
    values::duration,
};
use crate::{
    directory::Stop,
    manifest::{self, Input},
    model::{Username, visible},
};

/// How soon something that failed is tried again at first; then twice as long each time.
const SOON: Duration = Duration::from_secs(1);
/// How long it takes at most.
const LATE: Duration = Duration::from_mins(1);

/// Arguments of `tenantry watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry watch                            keep the declaration of the project applied
  tenantry watch tenants/ --interval 1m     and look every minute whether somebody else changed something
  tenantry watch tenants/ -o jsonl          what was done, one JSON value on each line

Nobody is asked. What a gate refuses waits for `tenantry apply` by a person, and so does what was shut off outside.")]
pub(crate) struct Args {
    /// A folder is the whole declaration; a file is a part of it and removes nobody [default: `paths` of the project file].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
    /// Act as this user of the directory [default: `actor` of the project file].
    #[arg(long, value_name = "USERNAME", value_parser = |text: &str| Username::new(text))]
    pub(crate) actor: Option<Username>,
    /// Look at everything this often, whether or not a file has changed: `30s`, `5m`.
    #[arg(long, value_name = "DURATION", value_parser = interval, default_value = "5m")]
    pub(crate) interval: Duration,
    /// `text`, or `jsonl`: what was done, one value on each line.
    #[arg(short, long = "output", value_name = "FORMAT", value_parser = form, default_value = "text")]
    pub(crate) output: Format,
}

/// What goes on and on cannot be one value.
fn form(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "jsonl" => Ok(Format::Jsonl),
        _ => Err("is neither text nor jsonl".into()),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval < Duration::from_secs(1) { Err("must be a second or more".into()) } else { Ok(interval) }
}

/// Watches until it is asked to stop.
pub(crate) async fn run(args: &Args, console: Console, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let Args { paths, project, actor, interval, output } = args;
    if paths.iter().any(|path| path.as_os_str() == STDIN) {
        return Err(Failure::invalid("standard input cannot be watched").hint("name a folder, or a file"));
    }
    let home = input::home(project, paths.first(), console)?;
    // What is not there at the start is a mistake; what goes away later is waited for.
    home.declares(paths)?;
    place::choose(paths, &home.project.paths, &home.base)?;
    let directory = home.open()?;
    let passes = Passes {
        directory,
        home,
        paths: paths.clone(),
        actor: actor.clone(),
        format: *output,
        console,
        looked: None,
        said: Said::default(),
    };
    let hangup = signal(SignalKind::hangup()).map_err(|error| Failure::failed("cannot listen to signals").because(&error))?;
    let watch = Watch { passes, project, interval: *interval, console, hangup, eyes: Eyes::open(), said: String::new() };
    // From here on the first signal asks, and only the second ends at once.
    interrupt.writing();
    watch.run(interrupt).await
}

struct Watch<'a> {
    passes: Passes,
    project: &'a ProjectArg,
    interval: Duration,
    console: Console,
    hangup: Signal,
    eyes: Eyes,
    said: String,
}

/// Why a wait, or a pass, was over.
enum Heard {
    Files,
    Time,
    Hangup,
    Stop,
}

impl Watch<'_> {
    async fn run(mut self, interrupt: &Interrupt) -> Result<Exit, Failure> {
        let (mut again, mut expectant) = (SOON, false);
        loop {
            let print = self.look_at_files();
            let (came, heard) = self.pass(print, expectant, interrupt).await;
            expectant = matches!(heard, Some(Heard::Files));
            if matches!(heard, Some(Heard::Stop)) {
                self.say("stopped");
                return Ok(Exit::Interrupted.when(came == Came::Cut));
            }
            if matches!(heard, Some(Heard::Hangup)) {
                self.reload();
            }
            if heard.is_some() || came == Came::Cut {
                continue;
            }
            let wait = match &came {
                Came::Again(_) => again,
                Came::Rest { standing: _, next } => self.interval.min(until(*next)),
                Came::Stuck(_) | Came::Cut => self.interval,
            };
            again = if matches!(came, Came::Again(_)) { (again * 2).min(LATE) } else { SOON };
            self.tell(&came, wait);
            match self.wait(print, wait, interrupt).await {
                Heard::Files => expectant = true,
                Heard::Time => {}
                Heard::Hangup => self.reload(),
                Heard::Stop => {
                    self.say("stopped");
                    return Ok(Exit::Done);
                }
            }
        }
    }

    /// One pass. What is heard meanwhile has it stop at the next object: what is left is taken up by the next one, which sees
    /// to the leavers first.
    async fn pass(&mut self, print: u64, expectant: bool, interrupt: &Interrupt) -> (Came, Option<Heard>) {
        let stop = Stop::default();
        let paths = self.roots();
        let pass = self.passes.pass(expectant, stop.clone());
        tokio::pin!(pass);
        let heard = tokio::select! {
            came = &mut pass => return (came, None),
            () = changed(&mut self.eyes, &paths, print) => Heard::Files,
            _ = self.hangup.recv() => Heard::Hangup,
            () = interrupt.stopped() => Heard::Stop,
        };
        stop.request();
        (pass.await, Some(heard))
    }

    async fn wait(&mut self, print: u64, wait: Duration, interrupt: &Interrupt) -> Heard {
        let paths = self.roots();
        let until = Instant::now() + wait;
        tokio::select! {
            () = changed(&mut self.eyes, &paths, print) => Heard::Files,
            () = tokio::time::sleep_until(until) => Heard::Time,
            _ = self.hangup.recv() => Heard::Hangup,
            () = interrupt.stopped() => Heard::Stop,
        }
    }

    /// The paths that are meant, whether or not they are there.
    fn roots(&self) -> Vec<PathBuf> {
        let home = &self.passes.home;
        place::named(&self.passes.paths, &home.project.paths, &home.base)
    }

    /// Listens to the files as they are now, and says what tells them from others.
    fn look_at_files(&mut self) -> u64 {
        let roots = self.roots();
        self.eyes.turn_to(&roots);
        if let Some(why) = self.eyes.deaf() {
            let why = visible(why);
            self.say(&format!("not every change can be heard ({why}), so the files are looked at every two seconds"));
        }
        print_of(&roots)
    }

    fn reload(&mut self) {
        let Passes { paths, console, .. } = &self.passes;
        let loaded = input::home(self.project, paths.first(), *console).and_then(|home| Ok((home.open()?, home)));
        match loaded {
            Ok((directory, home)) => {
                (self.passes.directory, self.passes.home) = (directory, home);
                self.say("the project was read again");
            }
            Err(failure) => {
                self.console.note(&super::render::diagnostics::text(&failure.problems));
                self.console.note(&super::render::error::text(&failure));
                self.say(&format!("{} the project as it was read before stays in force", paint(WARNING, "warning:")));
            }
        }
    }

    /// Says where it stands and what it waits for.
    fn tell(&mut self, came: &Came, wait: Duration) {
        let look = rounded(wait);
        let text = match came {
            Came::Rest { standing, next: _ } => format!("{standing}; waiting for a change, and looking again in {look}"),
            Came::Again(why) => format!("{}; trying again in {look}", visible(why)),
            Came::Stuck(why) => format!("{}; waiting for somebody to change that, and looking again in {look}", visible(why)),
            Came::Cut => return,
        };
        self.say(&text);
    }

    /// A line with the time, unless the last one said the same.
    fn say(&mut self, text: &str) {
        if self.said != text {
            let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
            self.console.note(&format!("{} {text}\n", paint(DIM, time)));
            text.clone_into(&mut self.said);
        }
    }
}

/// Waits until the files are not those of a fingerprint any more.
async fn changed(eyes: &mut Eyes, paths: &[PathBuf], print: u64) {
    loop {
        eyes.turn_to(paths);
        if print_of(paths) != print {
            return;
        }
        eyes.hint().await;
    }
}

fn print_of(paths: &[PathBuf]) -> u64 {
    let input = |path: &PathBuf| if path.is_dir() { Input::Folder(path.clone()) } else { Input::File(path.clone()) };
    let inputs: Vec<Input> = paths.iter().map(input).collect();
    tokio::task::block_in_place(|| manifest::fingerprint(&inputs))
}

/// How long it is until then.
fn until(next: Option<Timestamp>) -> Duration {
    let Some(next) = next else { return Duration::MAX };
    // A little later, so that it is over by then.
    Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default() + Duration::from_millis(10)
}

/// `5 min`, `30 s`.
fn rounded(wait: Duration) -> String {
    let seconds = wait.as_secs_f64().ceil();
    if seconds >= 120.0 { format!("{:.0} min", seconds / 60.0) } else { format!("{seconds:.0} s") }
}
