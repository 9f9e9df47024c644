//! From the arguments to the profile of the processes that are meant, which is shown.

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::Receiver;

use crate::cli::ProfileArgs;
use crate::cli::ProfileBy;
use crate::model::loss;
use crate::model::profile::Mapping;
use crate::model::profile::Profile;
use crate::model::profile::ValueType;
use crate::observe::names::NameFilter;
use crate::observe::reader;
use crate::observe::stop;
use crate::target;
use crate::target::Scope;
use crate::target::Target;
use crate::target::clock;
use crate::target::live::Live;

use super::account;
use super::base::Base;
use super::file;
use super::form;
use super::form::Form;
use super::started::Started;
use super::subject;
use super::subject::Subject;
use super::taken::Taken;
use super::taken::Together;
use crate::cmd::output;
use crate::cmd::output::Output;
use crate::cmd::session;

/// Reads a process.
pub(super) type Take<'t> = &'t dyn Fn(&Target, &Live, Mapping) -> Result<Taken>;
/// Looks at processes for a while. The last is called when it has begun.
pub(super) type Watch<'t> =
    &'t dyn Fn(&[Subject], &Receiver<()>, &dyn Fn() -> Result<()>) -> Result<Together>;

/// How processes are profiled.
#[derive(Clone, Copy)]
pub(super) enum Way<'t> {
    /// As they are now.
    Now(Take<'t>),
    /// As they are now, if they have noted it, else for a while.
    Perhaps(Watch<'t>),
    /// For a while, if that is possible at all.
    While {
        check: &'t dyn Fn() -> Result<()>,
        watch: Watch<'t>,
    },
}

/// How it is shown.
struct Shown<'a> {
    args: &'a ProfileArgs,
    form: Form,
    base: Option<Base>,
}

/// `types` is what it counts.
pub(super) fn run(args: &ProfileArgs, types: &[ValueType], way: Way<'_>) -> Result<ExitCode> {
    let form = Form::of(args)?;
    // Nobody waits for what will be refused.
    form::value(args, types)?;
    require_sense(args, way)?;
    let base = args.diff.as_deref();
    let mut base = base.map(|path| Base::read(path, types)).transpose()?;
    if let Some(base) = &mut base {
        narrow(&mut base.profile, args);
    }
    if let Some(path) = &args.write {
        let shown = path.display();
        file::require_writable(path).with_context(|| format!("cannot write {shown}"))?;
    }
    let shown = Shown { args, form, base };
    match way {
        Way::Now(take) => of_running(&shown, |subjects| {
            let taken = |it: &Subject| take(&it.target, &it.live, it.mapping());
            Ok(Together {
                each: subjects.iter().map(taken).collect(),
                losses: Vec::new(),
            })
        }),
        Way::Perhaps(watch) => {
            let stop = stop::on_signals()?;
            of_running(&shown, |subjects| watch(subjects, &stop, &|| Ok(())))
        }
        Way::While { watch, .. } if args.of.command.is_empty() => {
            let stop = stop::on_signals()?;
            of_running(&shown, |subjects| watch(subjects, &stop, &|| Ok(())))
        }
        Way::While { check, watch } => {
            check()?;
            let (subject, started) = Started::open(&session::selection(&args.of.targets()))?;
            let subjects = [subject];
            let together = watch(&subjects, started.stop(), &|| started.start())?;
            show(&shown, &subjects, together)?;
            started.exit_code()
        }
    }
}

fn require_sense(args: &ProfileArgs, way: Way<'_>) -> Result<()> {
    let is_now = !matches!(way, Way::While { .. });
    if is_now && !args.of.command.is_empty() {
        bail!(
            "this profile is of what a process has and has noted so far, and a command that has not begun has nothing to show: start it, and give --pid or --binpath"
        );
    }
    if is_now && args.by == ProfileBy::Goroutine {
        bail!(
            "what a profile of this kind counts belongs to no goroutine: --by goroutine is for cpu and wall"
        );
    }
    if args.diff.is_some() && matches!(args.by, ProfileBy::Pid | ProfileBy::Goroutine) {
        bail!(
            "processes and goroutines are others than they were: --diff is by fn, line, package or label:KEY"
        );
    }
    Ok(())
}

/// Profiles processes that run. Of several the others are shown if one cannot be read.
fn of_running(
    shown: &Shown<'_>,
    take: impl FnOnce(&[Subject]) -> Result<Together>,
) -> Result<ExitCode> {
    let args = shown.args;
    let targets = target::resolve(&session::selection(&args.of.targets()))?.targets;
    let found = reader::each(&targets);
    if let Some(path) = &args.of.binpath {
        let unseen: Vec<&str> = targets
            .iter()
            .filter_map(Target::unseen_processes)
            .collect();
        if found.is_empty() {
            let unseen: Vec<String> = unseen.iter().map(|why| format!(" ({why})")).collect();
            bail!("no process runs {}{}", path.display(), unseen.concat());
        }
        unseen.iter().for_each(|why| output::warn(why));
    }
    let (mut subjects, mut complete) = (Vec::new(), true);
    let are_several = found.len() > 1;
    for (target, _) in found {
        match Subject::open(target) {
            Ok(subject) => subjects.push(subject),
            Err(why) if are_several => {
                output::warn(&format!("{why:#}"));
                complete = false;
            }
            Err(why) => return Err(why),
        }
    }
    if subjects.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let together = take(&subjects)?;
    tell_later(&targets, &subjects);
    complete &= show(shown, &subjects, together)?;
    Ok(if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Says how many processes of a program have come too late.
fn tell_later(targets: &[Target], subjects: &[Subject]) {
    for target in targets.iter().filter(|it| it.scope == Scope::Everyone) {
        let is_known = |pid: i32| subjects.iter().any(|it| it.live.process.pid == pid);
        let later = target.processes();
        let later = later.iter().filter(|it| !is_known(it.pid)).count();
        if later > 0 {
            output::warn(&format!(
                "not in it: {} of {} that began later",
                match later {
                    1 => "1 process".to_owned(),
                    _ => format!("{later} processes"),
                },
                target.name
            ));
        }
    }
}

/// Leaves out what is not asked for. Returns how much of it that may be wrong for.
fn narrow(profile: &mut Profile, args: &ProfileArgs) -> u64 {
    if let Some(wanted) = &args.r#fn {
        let filter = NameFilter::new(wanted);
        profile.retain(|name| filter.matches(name));
    }
    match args.labels.is_empty() {
        true => 0,
        false => profile.retain_labelled(&args.labels),
    }
}

/// What has been left out, for whoever reads it later.
fn narrowed(args: &ProfileArgs) -> impl Iterator<Item = String> {
    let by_name = args.r#fn.iter();
    let by_name = by_name.map(|it| format!("only stacks with a function that matches {it}"));
    let by_label = args.labels.iter();
    by_name.chain(by_label.map(|(key, value)| format!("only what is labelled {key}={value}")))
}

/// What was read of one process, if it was that one all the time.
fn whole(subject: &Subject, taken: Result<Taken>) -> Result<Taken> {
    let taken = match (taken, subject.check()) {
        (taken, Ok(())) => taken?,
        // Samples are of the program that was there.
        (Ok(mut taken), Err(why)) if taken.profile.duration_ns.is_some() => {
            taken.warnings.push(format!("{why:#}"));
            taken
        }
        // Whatever else was read of another program is nothing, an error too.
        (_, Err(why)) => return Err(why),
    };
    subject.target.program.require_unchanged()?;
    Ok(taken)
}

/// Returns whether it is of all of them.
fn show(shown: &Shown<'_>, subjects: &[Subject], together: Together) -> Result<bool> {
    let args = shown.args;
    let are_several = subjects.len() > 1;
    let (mut parts, mut said, mut not_known) = (Vec::new(), Vec::new(), 0);
    for (subject, taken) in subjects.iter().zip(together.each) {
        let mut taken = match whole(subject, taken) {
            Ok(taken) => taken,
            Err(why) if are_several => {
                output::warn(&format!("{why:#}"));
                continue;
            }
            Err(why) => return Err(why),
        };
        not_known += narrow(&mut taken.profile, args);
        let sampling = taken.profile.sampling.as_ref().filter(|_| are_several);
        let account = sampling.map(account::warnings).unwrap_or_default();
        taken.profile.notes = std::iter::once(&taken.about)
            .chain(&account)
            .chain(&taken.warnings)
            .cloned()
            .collect();
        parts.push((subject.pid(), taken.profile));
        said.push((subject, taken.about, taken.warnings));
    }
    let is_complete = parts.len() == subjects.len();
    let pid = match parts.as_slice() {
        [(pid, _)] => Some(*pid),
        _ => None,
    };
    let Some(mut profile) = Profile::of_processes(parts) else {
        return Ok(false);
    };
    profile.unix_ns = clock::unix_ns()?;
    let mut warnings = Vec::new();
    let mut about = Vec::new();
    if let Some(sampling) = &mut profile.sampling {
        loss::merge(&mut sampling.losses, &together.losses);
        let whom = match said.as_slice() {
            [(subject, ..)] => subject.target.describe(),
            _ => subject::describe(subjects),
        };
        about.push((whom, account::about(sampling)));
        warnings.extend(account::warnings(sampling));
    } else {
        let lines = said.iter();
        about.extend(lines.map(|(it, about, _)| (it.target.describe(), about.clone())));
    }
    warnings.extend(together_said(&said));
    if not_known > 0 {
        let name = profile.types.first().map_or("", |it| it.name);
        warnings.push(format!(
            "not in it: {not_known} {name} whose labels are not known"
        ));
    }
    profile.notes = narrowed(args).collect();
    profile
        .notes
        .extend(about.iter().map(|(whom, about)| match are_several {
            true => format!("{whom}: {about}"),
            false => about.clone(),
        }));
    profile.notes.extend(warnings.iter().cloned());
    for (whom, about) in about {
        output::note(&format!("{whom}: {about}"));
    }
    if let Some(base) = &shown.base {
        let since = base.since(&profile);
        output::note(&since.about);
        profile.notes.push(since.about);
        profile.notes.extend(since.warnings.iter().cloned());
        warnings.extend(since.warnings);
    }
    print(shown, &profile, pid)?;
    warnings.iter().for_each(|line| output::warn(line));
    Ok(is_complete)
}

/// Each once, with the processes that it is about unless it is about all.
fn together_said(said: &[(&Subject, String, Vec<String>)]) -> Vec<String> {
    let mut lines: Vec<(&String, Vec<String>)> = Vec::new();
    for (subject, _, warnings) in said {
        for line in warnings {
            let pid = subject.pid().to_string();
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, pids)) => pids.push(pid),
                None => lines.push((line, vec![pid])),
            }
        }
    }
    let lines = lines.into_iter().map(|(line, pids)| {
        let names_it = |pid: &String| line.starts_with(&format!("process {pid} "));
        match pids.len() == said.len() || pids.iter().all(names_it) {
            true => line.clone(),
            false => format!("pid {}: {line}", pids.join(", ")),
        }
    });
    lines.collect()
}

fn print(shown: &Shown<'_>, profile: &Profile, pid: Option<u32>) -> Result<()> {
    let Shown { args, form, base } = shown;
    let base = base.as_ref().map(|base| &base.profile);
    let (bytes, after) = form.bytes(args, profile, base, pid)?;
    if let Some(path) = &args.write {
        let shown = path.display();
        file::write(path, &bytes).with_context(|| format!("cannot write {shown}"))?;
        output::note(&format!("written to {shown}"));
    } else {
        let mut output = Output::new();
        if form.is_file() {
            return output.binary(bytes);
        }
        output.text = bytes;
        output.flush()?;
    }
    if let Some(after) = after {
        output::note(&after);
    }
    Ok(())
}
