//! `tenantry watch`: keeps a declaration applied with nobody at the keyboard. Files that change are applied, and from time to
//! time everything is looked at again, so that what others change is repaired.
//!
//! | it waits for | and then |
//! |---|---|
//! | a change in the files | looks at once; a pass that is under way stops its mails at the next one: leavers wait for nobody's |
//! | files that somebody still writes | removes nobody who is not in them; deletes nobody before they have been at rest |
//! | the interval, the next `expires` | looks |
//! | a directory that is away, another run | tries again, soon at first |
//! | SIGHUP | reads the project again; keeps the old one where the new one is wrong |
//! | SIGTERM, Ctrl-C | stops at the next object |

mod eyes;
mod pass;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    time::Instant,
};

use self::{
    eyes::Eyes,
    pass::{Belief, Came, Passes, Said, Told},
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
/// How long files have to be at rest until it is believed that something is to be deleted: that cannot be taken back.
const REST: Duration = Duration::from_secs(3);

/// Arguments of `tenantry watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry watch                            keep the declaration of the project applied
  tenantry watch tenants/ --interval 1m     and look every minute whether somebody else changed something
  tenantry watch tenants/ -o jsonl          what was done, one JSON value on each line

Nobody is asked. What a gate refuses waits for `tenantry apply` by a person, and so does what was shut off outside.
SIGHUP reads the project file again; SIGTERM stops at the next object.")]
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
    let directory = home.open(false)?;
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
    let project_file = place::project_file(project.project.as_deref(), paths.first().map(PathBuf::as_path))?;
    let project_file = project_file.map(|file| (file.clone(), print_of(&[file])));
    let mut watch = Watch {
        passes,
        project,
        project_file,
        interval: *interval,
        console,
        hangup,
        eyes: Eyes::open(),
        files: (0, Instant::now()),
        said: String::new(),
    };
    watch.listen();
    watch.files.0 = print_of(&watch.roots());
    // From here on the first signal asks, and only the second ends at once.
    interrupt.writing();
    watch.run(interrupt).await
}

struct Watch<'a> {
    passes: Passes,
    project: &'a ProjectArg,
    /// The project file, and what told it from others when it was read.
    project_file: Option<(PathBuf, u64)>,
    interval: Duration,
    console: Console,
    hangup: Signal,
    eyes: Eyes,
    /// What tells the files from others, and since when they are these.
    files: (u64, Instant),
    said: String,
}

/// Why a wait, or a pass, was over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// The files are others: those with this fingerprint.
    Files(u64),
    Time,
    Hangup,
    Stop,
}

impl Watch<'_> {
    async fn run(mut self, interrupt: &Interrupt) -> Result<Exit, Failure> {
        let (mut again, mut expectant) = (SOON, false);
        loop {
            self.listen();
            let (came, heard) = self.pass(expectant, interrupt).await;
            let heard = match heard {
                Some(heard) => heard,
                None if came == Came::Cut => Heard::Time,
                None => {
                    let wait = match &came {
                        Came::Again(_) => again,
                        Came::Rest { standing: _, next: _, doubt: true } => self.unrest(),
                        Came::Rest { standing: _, next, doubt: false } => self.interval.min(until(*next)),
                        Came::Stuck(_) | Came::Cut => self.interval,
                    };
                    again = if matches!(came, Came::Again(_)) { (again * 2).min(LATE) } else { SOON };
                    self.tell(&came, wait);
                    self.wait(wait, interrupt).await
                }
            };
            expectant = matches!(heard, Heard::Files(_));
            match heard {
                Heard::Files(print) => self.files = (print, Instant::now()),
                Heard::Time => {}
                Heard::Hangup => self.reload(),
                Heard::Stop => {
                    self.say("stopped");
                    return Ok(Exit::Interrupted.when(came == Came::Cut));
                }
            }
        }
    }

    /// One pass. What is heard of the files meanwhile lets it finish its changes, so that whoever writes without a pause keeps
    /// nobody in, and stops its mails; the next pass sees to the leavers first, and then to what is owed.
    async fn pass(&mut self, expectant: bool, interrupt: &Interrupt) -> (Came, Option<Heard>) {
        let (stop, mailing) = (Stop::default(), Arc::new(Notify::new()));
        let told = Told { expectant, belief: self.belief(), stop: stop.clone(), mailing: Arc::clone(&mailing) };
        let (paths, print) = (self.roots(), self.files.0);
        let pass = self.passes.pass(told);
        tokio::pin!(pass);
        let heard = tokio::select! {
            came = &mut pass => return (came, None),
            print = changed(&mut self.eyes, &paths, print) => Heard::Files(print),
            _ = self.hangup.recv() => Heard::Hangup,
            () = interrupt.stopped() => Heard::Stop,
        };
        if matches!(heard, Heard::Files(_)) {
            tokio::select! {
                came = &mut pass => return (came, Some(heard)),
                () = mailing.notified() => {}
                () = interrupt.stopped() => {
                    stop.request();
                    return (pass.await, Some(Heard::Stop));
                }
            }
        }
        stop.request();
        (pass.await, Some(heard))
    }

    async fn wait(&mut self, wait: Duration, interrupt: &Interrupt) -> Heard {
        let (paths, print) = (self.roots(), self.files.0);
        let until = Instant::now() + wait;
        tokio::select! {
            print = changed(&mut self.eyes, &paths, print) => Heard::Files(print),
            () = tokio::time::sleep_until(until) => Heard::Time,
            _ = self.hangup.recv() => Heard::Hangup,
            () = interrupt.stopped() => Heard::Stop,
        }
    }

    /// How far it is believed that what is not there is not declared any more. Nobody may be writing; and what cannot be taken
    /// back is believed only of files that have been at rest for a while.
    fn belief(&self) -> Belief {
        let writing = !self.eyes.at_rest() || self.roots().iter().any(|root| checked_out(root));
        match (writing, self.files.1.elapsed() >= REST) {
            (true, _) => Belief::None,
            (false, false) => Belief::Retired,
            (false, true) => Belief::All,
        }
    }

    /// How long until the files may have been at rest for long enough.
    fn unrest(&self) -> Duration {
        REST.saturating_sub(self.files.1.elapsed()).max(Duration::from_millis(250))
    }

    /// The paths that are meant, whether or not they are there.
    fn roots(&self) -> Vec<PathBuf> {
        let home = &self.passes.home;
        place::named(&self.passes.paths, &home.project.paths, &home.base)
    }

    /// Listens to the files as they are now.
    fn listen(&mut self) {
        let roots = self.roots();
        self.eyes.turn_to(&roots);
        if let Some(why) = self.eyes.deaf() {
            let why = visible(why);
            self.say(&format!("not every change can be heard ({why}), so the files are looked at every two seconds"));
        }
        if let Some((file, print)) = &mut self.project_file {
            let now = print_of(std::slice::from_ref(file));
            if now != *print {
                *print = now;
                self.say("the project file has changed; what it said before is in force until SIGHUP");
            }
        }
    }

    fn reload(&mut self) {
        let loaded =
            input::home(self.project, self.passes.paths.first(), self.console).and_then(|home| Ok((home.open(false)?, home)));
        match loaded {
            Ok((directory, home)) => {
                (self.passes.directory, self.passes.home) = (directory, home);
                if let Some((file, print)) = &mut self.project_file {
                    *print = print_of(std::slice::from_ref(file));
                }
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
            Came::Rest { standing, next: _, doubt: false } => {
                format!("{standing}; waiting for a change, and looking again in {look}")
            }
            Came::Rest { standing, next: _, doubt: true } => {
                format!(
                    "{standing}; something is not declared any more, which counts when nobody has written for {} s",
                    REST.as_secs()
                )
            }
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

/// Waits until the files are not those of a fingerprint any more; says that of those they are.
async fn changed(eyes: &mut Eyes, paths: &[PathBuf], print: u64) -> u64 {
    loop {
        eyes.turn_to(paths);
        let now = print_of(paths);
        if now != print {
            return now;
        }
        eyes.hint().await;
    }
}

/// Whether `git` is at work on the files: it takes this lock while it checks them out.
fn checked_out(root: &Path) -> bool {
    let Ok(root) = std::path::absolute(root) else { return false };
    root.ancestors().any(|folder| folder.join(".git/index.lock").exists())
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
