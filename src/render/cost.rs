//! What an observation has cost, for people and for programs.

use crate::model::cost::Cost;
use crate::model::human::counted;

use super::json::Object;

/// `cost: 200006 hits of about 0.91 µs (0.70 µs the trap): about 5.1 % of the CPU time of the observed, probes included`.
pub fn text(cost: &Cost) -> String {
    let hits = counted(cost.hits, "hit");
    let Some(per_hit) = cost.per_hit_ns() else {
        return format!("cost: {hits}; what one takes could not be measured here");
    };
    let part = match (cost.trap_ns, cost.program_ns) {
        (Some(trap), Some(_)) => format!(" ({:.2} µs the trap)", trap / 1e3),
        _ => " for the trap alone".to_owned(),
    };
    let share = cost.share().map_or_else(
        || "the CPU time of the observed is too little, or not known, to tell a share".to_owned(),
        |share| {
            format!(
                "{} of the CPU time of the observed, probes included",
                percent(share, cost.is_bound())
            )
        },
    );
    format!(
        "cost: {hits} of about {:.2} µs{part}: {share}",
        per_hit / 1e3
    )
}

/// `about 5.1 %`, or `at most 5.1 %`; small shares as `less than 0.1 %`.
fn percent(share: f64, is_bound: bool) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 {
        "less than 0.1 %".to_owned()
    } else if is_bound {
        format!("at most {:.1} %", (percent * 10.0).ceil() / 10.0)
    } else {
        format!("about {percent:.1} %")
    }
}

/// The member `cost` of a last line.
pub fn json(object: &mut Object<'_>, cost: &Cost) {
    object.object("cost", |inner| {
        inner.number("hits", cost.hits);
        let mut known = |key, value: Option<f64>| {
            match value {
                Some(value) => inner.fraction(key, value),
                None => inner.null(key),
            };
        };
        known("trap_ns", cost.trap_ns);
        known("program_ns", cost.program_ns);
        let (bounds, shares) = match cost.is_bound() {
            true => (cost.share(), None),
            false => (None, cost.share()),
        };
        known("cpu_share", shares);
        known("cpu_share_at_most", bounds);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_said() {
        let cost = Cost {
            hits: 2_000,
            trap_ns: Some(700.0),
            program_ns: Some(210.0),
            cpu_ns: 20_000_000,
            used_more: false,
        };
        assert_eq!(
            text(&cost),
            "cost: 2000 hits of about 0.91 µs (0.70 µs the trap): about 9.1 % of the CPU time of the observed, probes included"
        );
        let more = Cost {
            used_more: true,
            ..cost
        };
        assert!(text(&more).contains(": at most 9.1 % of the CPU time"));
        let alone = Cost {
            program_ns: None,
            cpu_ns: 20_000_000_000,
            ..cost
        };
        assert_eq!(
            text(&alone),
            "cost: 2000 hits of about 0.70 µs for the trap alone: less than 0.1 % of the CPU time of the observed, probes included"
        );
        let short = Cost { cpu_ns: 0, ..cost };
        assert!(text(&short).ends_with(
            "the CPU time of the observed is too little, or not known, to tell a share"
        ));
        let nothing = Cost {
            trap_ns: None,
            ..cost
        };
        assert!(text(&nothing).contains("could not be measured"));
    }
}
