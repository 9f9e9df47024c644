//! What `grtmon dump` shows, in each of its forms: of a live process and of one that is no more.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::cli::DumpOutput;
use crate::go::Binary;
use crate::go::process::mapping::mapping;
use crate::model::dump::Dump;
use crate::model::dump::End;
use crate::model::dump::Goroutine;
use crate::model::groups;
use crate::model::groups::Grouper;
use crate::model::human::counted;
use crate::model::profile::Profile;
use crate::render;
use crate::render::dump_end;
use crate::render::dump_json;
use crate::render::dump_json::Totals;
use crate::render::pprof;

use super::dump_filter::Filter;
use super::output;
use super::output::Output;

/// Fails if somebody asked for goroutines that are not there.
pub(super) fn require_none(absent: &[u64], of: &str) -> Result<()> {
    let numbers: Vec<String> = absent.iter().map(u64::to_string).collect();
    match numbers.as_slice() {
        [] => Ok(()),
        [one] => bail!("there is no goroutine {one} in {of}"),
        many => bail!("there are no goroutines {} in {of}", many.join(", ")),
    }
}

/// Shows dumps in the form that was asked for.
pub(super) struct Show<'a> {
    args: &'a cli::Dump,
    binary: &'a Binary,
    name: &'a str,
    filter: Filter<'a>,
    /// What makes times of the dump nanoseconds since 1970; `None` if nothing is known of its clock.
    pub(super) unix_offset_ns: Option<i128>,
    /// How the process ended, if it did.
    end: Option<&'a End>,
    /// Which process it is of, where there are several.
    pub(super) of: Option<i32>,
}

impl<'a> Show<'a> {
    pub(super) fn new(args: &'a cli::Dump, binary: &'a Binary, name: &'a str) -> Self {
        Self {
            args,
            binary,
            name,
            filter: Filter::new(args),
            unix_offset_ns: None,
            end: None,
            of: None,
        }
    }

    /// Says first how the process ended.
    pub(super) fn with_end(self, end: &'a End) -> Self {
        Self {
            end: Some(end),
            ..self
        }
    }

    /// The output, which says first which process it is of, where there are several.
    fn begin(&self) -> Output {
        let mut output = Output::new();
        if let Some(pid) = self.of {
            match self.args.output {
                DumpOutput::Json => dump_json::process(&mut output.text, pid, self.name),
                _ => render::dump::process(&mut output.text, pid, self.name),
            }
        }
        output
    }

    /// The goroutines that pass the filter. Returns which of those that were asked for by number are not there.
    pub(super) fn dump(&self, dump: &Dump) -> Result<Vec<u64>> {
        let chosen = self.filter.choose(dump);
        let absent = self.filter.absent(dump);
        // Of a process that has none of them there is nothing to say.
        let lacks_all = self.filter.is_by_number() && absent.len() == self.args.goid.len();
        if lacks_all && self.args.output == DumpOutput::Text && self.of.is_some() {
            return Ok(absent);
        }
        let mut output = self.begin();
        match (self.args.output, self.end) {
            (DumpOutput::Text, Some(end)) => dump_end::text(&mut output.text, end),
            (DumpOutput::Json, Some(end)) => dump_end::json(&mut output.text, end),
            _ => {}
        }
        let by_number = self.filter.is_by_number();
        let all_frames = self.args.system || by_number;
        match (self.args.output, self.args.all || by_number) {
            (DumpOutput::Pprof, _) => self.profile(&mut output, dump, &chosen.wanted)?,
            (form, true) => {
                for one in chosen.of(dump) {
                    match form {
                        DumpOutput::Json => dump_json::goroutine(&mut output.text, dump, one),
                        _ => render::dump::goroutine(&mut output.text, dump, one, all_frames),
                    }
                    output.relieve()?;
                }
            }
            (form, false) => {
                let mut grouper = Grouper::new(self.args.system);
                let mut groups = grouper.groups(dump, &chosen.wanted);
                if let Some(goid) = self.end.and_then(|end| end.goid) {
                    groups.sort_by_key(|group| !group.goroutines.iter().any(|it| it.goid == goid));
                }
                if form == DumpOutput::Text {
                    let groups = groups.len();
                    writeln!(output.text, "{}\n", chosen.totals_with(groups))?;
                }
                for group in &groups {
                    match form {
                        DumpOutput::Json => dump_json::group(&mut output.text, group, dump.at_ns),
                        _ => render::dump::group(
                            &mut output.text,
                            group,
                            dump.at_ns,
                            self.args.system,
                        ),
                    }
                    output.relieve()?;
                }
            }
        }
        self.end(output, &chosen.totals)?;
        if chosen.unknown_times > 0 {
            output::note(&format!(
                "left out: {} waiting, not known since when, as fewer than two garbage collections have seen that",
                counted(chosen.unknown_times, "goroutine")
            ));
        }
        if chosen.possible > 0 {
            output::note(&format!(
                "left out: {} that may have been waiting that long, or not: since some time between two garbage collections, one before and one after that time",
                counted(chosen.possible, "goroutine")
            ));
        }
        Ok(absent)
    }

    /// What became more of the goroutines that pass the filter.
    pub(super) fn growth(&self, before: &Dump, after: &Dump, time: Duration) -> Result<()> {
        let (first, second) = (self.filter.choose(before), self.filter.choose(after));
        let mut grouper = Grouper::new(self.args.system);
        let was = grouper.groups(before, &first.wanted);
        let is = grouper.groups(after, &second.wanted);
        let sites = groups::growth(&was, is);
        let mut output = self.begin();
        match self.args.output {
            DumpOutput::Text => {
                let (from, to) = (first.totals.shown, second.totals.shown);
                let grown = sites.iter().filter(|site| site.grown() > 0).count();
                writeln!(
                    output.text,
                    "{from} → {} in {time:?}; more of them at {}\n",
                    counted(to, "goroutine"),
                    counted(grown as u64, "creation site")
                )?;
                for site in &sites {
                    render::dump::growth(&mut output.text, site, after.at_ns, self.args.system);
                }
            }
            DumpOutput::Json => {
                for site in &sites {
                    dump_json::growth(&mut output.text, site, after.at_ns);
                }
            }
            DumpOutput::Pprof => {
                let mut profile = self.new_profile(after);
                for growth in sites.iter().flat_map(|site| &site.stacks) {
                    if let Some(example) = growth.group.goroutines.first() {
                        let grown = growth.grown() as u64;
                        profile.add_goroutine(example, growth.group.stack, vec![grown]);
                    }
                }
                output.text = pprof::encode(&profile)?;
            }
        }
        self.end(output, &second.totals)
    }

    /// One sample for each stack and state.
    fn profile(
        &self,
        output: &mut Output,
        dump: &Dump,
        wanted: impl Fn(&Goroutine) -> bool,
    ) -> Result<()> {
        let mut profile = self.new_profile(dump);
        profile.add_goroutines(dump, wanted);
        output.text = pprof::encode(&profile)?;
        Ok(())
    }

    fn new_profile(&self, dump: &Dump) -> Profile {
        let unix_ns = dump
            .at_ns
            .zip(self.unix_offset_ns)
            .and_then(|(ns, offset)| u64::try_from(i128::from(ns) + offset).ok());
        let mapping = mapping(self.name, self.binary);
        let mut profile = Profile::counting("goroutine", mapping);
        profile.unix_ns = unix_ns;
        profile
    }

    /// Writes what is left, and says what is not there.
    fn end(&self, mut output: Output, totals: &Totals) -> Result<()> {
        if self.args.output == DumpOutput::Json {
            dump_json::end(&mut output.text, totals);
        }
        match self.args.output {
            DumpOutput::Pprof => {
                let profile = std::mem::take(&mut output.text);
                output.binary(profile)?;
            }
            _ => output.flush()?,
        }
        if self.args.all && totals.system > 0 && self.args.output == DumpOutput::Text {
            output::note(&format!(
                "not shown: {} of the runtime (--system shows all)",
                counted(totals.system, "goroutine")
            ));
        }
        if let Some(line) = self.end.and_then(dump_end::cut_off) {
            output::warn(&line);
        }
        for line in render::dump::missing(&totals.missing) {
            output::warn(&line);
        }
        Ok(())
    }
}
