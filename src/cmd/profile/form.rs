//! In which form a profile is written.

use std::path::Path;

use anyhow::Result;
use anyhow::bail;

use crate::cli::ProfileArgs;
use crate::cli::ProfileBy;
use crate::model::human::counted;
use crate::model::profile::By;
use crate::model::profile::Changes;
use crate::model::profile::Profile;
use crate::model::profile::Ranking;
use crate::model::profile::ValueType;
use crate::render::pprof;
use crate::render::profile;
use crate::render::style::Style;
use crate::render::table::Fit;

use super::heap_types;
use crate::cmd::output;

/// The forms there are.
pub(super) use crate::cli::ProfileOutput as Form;

/// Endings of files, and the forms that they stand for.
const ENDINGS: [(&str, Form); 7] = [
    (".pb.gz", Form::Pprof),
    (".pprof", Form::Pprof),
    (".html", Form::Html),
    (".folded", Form::Folded),
    (".json", Form::Json),
    (".jsonl", Form::Json),
    (".txt", Form::Text),
];

impl Form {
    /// The one that was asked for.
    ///
    /// # Errors
    /// The ending of the file says none, it is none for terminals, or none for differences.
    pub(super) fn of(args: &ProfileArgs) -> Result<Self> {
        let form = Self::chosen(args)?;
        if args.diff.is_some() && matches!(form, Form::Pprof | Form::Json) {
            bail!(
                "a difference is a table, folded stacks, or html; of two .pb.gz, go tool pprof -diff_base makes others"
            );
        }
        Ok(form)
    }

    fn chosen(args: &ProfileArgs) -> Result<Self> {
        match (args.output, &args.write) {
            (Some(form), Some(_)) => Ok(form),
            (None, Some(path)) => Self::by_ending(path),
            (form, None) => {
                let form = form.unwrap_or(Form::Text);
                if form.is_file() && output::is_terminal() {
                    let ending = form.ending();
                    bail!("this is not for terminals: write it to a file, with -w FILE{ending}");
                }
                Ok(form)
            }
        }
    }

    /// Whether it is a whole file, of which no two can follow each other.
    pub(super) fn is_file(self) -> bool {
        matches!(self, Form::Pprof | Form::Html)
    }

    fn by_ending(path: &Path) -> Result<Self> {
        let name = path.as_os_str().to_string_lossy();
        match ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)) {
            Some((_, form)) => Ok(*form),
            None => bail!(
                "the ending of {} says nothing of the form: it is .pb.gz, .html, .folded, .json or .txt, or give --output",
                path.display()
            ),
        }
    }

    /// The ending that stands for it first of all.
    fn ending(self) -> &'static str {
        let found = ENDINGS.iter().find(|(_, form)| *form == self);
        found.map_or("", |(ending, _)| ending)
    }

    /// The profile in this form, and what is to be said when it has been written. With a base: what has changed since.
    ///
    /// # Errors
    /// It has no such type of values.
    pub(super) fn bytes(
        self,
        args: &ProfileArgs,
        profile: &Profile,
        base: Option<&Profile>,
        pid: Option<u32>,
    ) -> Result<(Vec<u8>, Option<String>)> {
        let value = value(args, &profile.types)?.unwrap_or(profile.default);
        let (mut out, mut after) = (Vec::new(), None);
        match self {
            Form::Pprof => out = pprof::encode(profile)?,
            Form::Json => profile::json(&mut out, profile, pid),
            Form::Html => profile::html(&mut out, profile, base, pid),
            Form::Folded => match base {
                Some(base) => profile::folded_difference(&mut out, base, profile, value),
                None => profile::folded(&mut out, profile, value),
            },
            Form::Text => after = table(&mut out, args, profile, base, value),
        }
        Ok((out, after))
    }
}

/// Which of its values the table shows, if that is asked for.
///
/// # Errors
/// It does not count that.
pub(super) fn value(args: &ProfileArgs, types: &[ValueType]) -> Result<Option<usize>> {
    let Some(wanted) = &args.count else {
        return Ok(None);
    };
    match types.iter().position(|it| it.name == wanted) {
        Some(index) => Ok(Some(index)),
        None => {
            let names: Vec<&str> = types.iter().map(|it| it.name).collect();
            bail!(
                "a profile of this kind does not count {wanted:?}; it counts {}",
                names.join(", ")
            )
        }
    }
}

/// Returns what is to be said behind it.
fn table(
    out: &mut Vec<u8>,
    args: &ProfileArgs,
    profile: &Profile,
    base: Option<&Profile>,
    value: usize,
) -> Option<String> {
    let by = match &args.by {
        ProfileBy::Fn => By::Function,
        ProfileBy::Line => By::Line,
        ProfileBy::Package => By::Package,
        ProfileBy::Pid => By::Process,
        ProfileBy::Goroutine => By::Goroutine,
        ProfileBy::Label(key) => By::Label(key),
    };
    let style = match args.write {
        Some(_) => Style::PLAIN,
        None => output::style(true).wide(args.wide),
    };
    let most = usize::try_from(args.top).unwrap_or(usize::MAX);
    let value_type = profile.types.get(value)?;
    if let Some(base) = base {
        let changes = Changes::of(base, profile, value, by, args.cum);
        if changes.entries.is_empty() {
            return Some("nothing has changed".to_owned());
        }
        let fit = match profile.kind {
            heap_types::KIND => profile::fit_of_changed_types(style),
            _ => profile::fit_of_changes(style, by),
        };
        profile::table_of_changes(out, &changes, *value_type, most, &fit);
        return left_out(&fit, changes.entries.len(), most);
    }
    if profile.kind == heap_types::KIND {
        let fit = profile::types_fit(style);
        let rows = profile::types_table(out, profile, value, most, &fit);
        return left_out(&fit, rows, most);
    }
    let ranking = Ranking::of(profile, value, by, args.cum);
    if ranking.entries.is_empty() {
        // That nothing was counted at all has been said.
        if !profile.is_partial {
            return None;
        }
        return Some(match &args.r#fn {
            Some(wanted) if args.labels.is_empty() => {
                format!("no stack has a function that matches {wanted}")
            }
            _ => "nothing bears these labels".to_owned(),
        });
    }
    let fit = profile::fit(style, by);
    profile::table(out, &ranking, *value_type, most, &fit);
    left_out(&fit, ranking.entries.len(), most)
}

/// What is to be said of columns and rows that are not there.
fn left_out(fit: &Fit, rows: usize, most: usize) -> Option<String> {
    if output::is_terminal() {
        output::tell_left_out(fit);
    }
    let more = rows.saturating_sub(most);
    let shown = counted(more as u64, "row");
    (more > 0).then(|| format!("{shown} more: --top {rows}"))
}
