//! In which form a profile is written.

use std::path::Path;

use anyhow::Result;
use anyhow::bail;

use crate::cli::ProfileArgs;
use crate::cli::ProfileBy;
use crate::model::human::counted;
use crate::model::profile::By;
use crate::model::profile::Profile;
use crate::model::profile::Ranking;
use crate::model::profile::ValueType;
use crate::render::pprof;
use crate::render::profile;
use crate::render::style::Style;

use crate::cmd::output;

/// The forms there are.
pub(super) use crate::cli::ProfileOutput as Form;

/// Endings of files, and the forms that they stand for.
const ENDINGS: [(&str, Form); 6] = [
    (".pb.gz", Form::Pprof),
    (".pprof", Form::Pprof),
    (".folded", Form::Folded),
    (".json", Form::Json),
    (".jsonl", Form::Json),
    (".txt", Form::Text),
];

impl Form {
    /// The one that was asked for.
    ///
    /// # Errors
    /// The ending of the file says none, or it is none for terminals.
    pub(super) fn of(args: &ProfileArgs) -> Result<Self> {
        match (args.output, &args.write) {
            (Some(form), Some(_)) => Ok(form),
            (None, Some(path)) => Self::by_ending(path),
            (form, None) => {
                let form = form.unwrap_or(Form::Text);
                if form == Form::Pprof && output::is_terminal() {
                    bail!("a profile is not for terminals: write it to a file, with -w FILE.pb.gz");
                }
                Ok(form)
            }
        }
    }

    fn by_ending(path: &Path) -> Result<Self> {
        let name = path.as_os_str().to_string_lossy();
        match ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)) {
            Some((_, form)) => Ok(*form),
            None => bail!(
                "the ending of {} says nothing of the form: it is .pb.gz, .folded, .json or .txt, or give --output",
                path.display()
            ),
        }
    }

    /// The profile in this form, and what is to be said when it has been written.
    ///
    /// # Errors
    /// It has no such type of values.
    pub(super) fn bytes(
        self,
        args: &ProfileArgs,
        profile: &Profile,
        pid: u32,
    ) -> Result<(Vec<u8>, Option<String>)> {
        let value = value(args, &profile.types)?.unwrap_or(profile.default);
        let (mut out, mut after) = (Vec::new(), None);
        match self {
            Form::Pprof => out = pprof::encode(profile)?,
            Form::Json => profile::json(&mut out, profile, Some(pid)),
            Form::Folded => profile::folded(&mut out, profile, value),
            Form::Text => after = table(&mut out, args, profile, value),
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
fn table(out: &mut Vec<u8>, args: &ProfileArgs, profile: &Profile, value: usize) -> Option<String> {
    let by = match &args.by {
        ProfileBy::Fn => By::Function,
        ProfileBy::Line => By::Line,
        ProfileBy::Package => By::Package,
        ProfileBy::Label(key) => By::Label(key),
    };
    let style = match args.write {
        Some(_) => Style::PLAIN,
        None => output::style(true).wide(args.wide),
    };
    let value_type = profile.types.get(value)?;
    let ranking = Ranking::of(profile, value, by, args.cum);
    if ranking.entries.is_empty() {
        // That nothing was counted at all has been said.
        let wanted = args.r#fn.as_ref().filter(|_| profile.is_partial)?;
        return Some(format!("no stack has a function that matches {wanted}"));
    }
    let fit = profile::fit(style, by.has_places());
    let most = usize::try_from(args.top).unwrap_or(usize::MAX);
    profile::table(out, &ranking, *value_type, most, &fit);
    if output::is_terminal() {
        output::tell_left_out(&fit);
    }
    let more = ranking.entries.len().saturating_sub(most);
    let rows = counted(more as u64, "row");
    (more > 0).then(|| format!("{rows} more: --top {}", ranking.entries.len()))
}
