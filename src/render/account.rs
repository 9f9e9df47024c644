//! The account of an observation: the members that every command's last line has in common.

use crate::model::account::Account;
use crate::model::account::Remarks;
use crate::model::loss::Loss;

use super::cost;
use super::json::Object;

/// What a report is besides what is in it.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What `event` says: `end` for the last one.
    pub event: &'a str,
    /// When it was made, ns since 1970.
    pub time_unix_ns: Option<u64>,
    /// The account, if it is the last one.
    pub account: Option<&'a Account>,
}

impl About<'_> {
    /// Begins a line: `event` and `time_unix_ns`.
    pub fn begin<'o>(&self, out: &'o mut Vec<u8>) -> Object<'o> {
        let mut object = Object::begin(out);
        object
            .text("event", self.event)
            .number_or_null("time_unix_ns", self.time_unix_ns);
        object
    }

    /// What is in the account of the last one; of another only `lost` is there, and empty: there is no account yet.
    pub fn account(&self, object: &mut Object<'_>) {
        match self.account {
            Some(account) => json(object, account),
            None => losses(object, &[]),
        }
    }
}

/// `lost`, `ended`, `notes` and `cost`, which is `null` where nothing was attached, or it is not known.
pub fn json(object: &mut Object<'_>, account: &Account) {
    losses(object, &account.losses);
    remarks(object, "ended", &account.endings);
    remarks(object, "notes", &account.notes);
    match &account.cost {
        Some(cost) => cost::json(object, cost),
        None => drop(object.null("cost")),
    }
}

/// `lost`.
pub(super) fn losses(object: &mut Object<'_>, losses: &[Loss]) {
    object.list("lost", losses, |inner, loss| {
        inner
            .text("cause", loss.cause)
            .number("events", loss.events);
    });
}

fn remarks(object: &mut Object<'_>, key: &str, remarks: &Remarks) {
    object.list(key, &remarks.kept, |inner, remark| {
        inner
            .text("cause", remark.cause)
            .number_or_null("pid", remark.process.map(u64::from))
            .text("text", &remark.text);
    });
    if remarks.more > 0 {
        object.number(&format!("{key}_more"), remarks.more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::account::Remark;

    #[test]
    fn the_members() {
        let mut account = Account {
            losses: vec![Loss {
                cause: "ring_full",
                meaning: "",
                events: 3,
            }],
            ..Account::default()
        };
        account.endings.add(Remark {
            cause: "exec",
            process: Some(7),
            text: "gone".to_owned(),
        });
        account.notes.more = 2;
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        json(&mut object, &account);
        object.end();
        let expected = concat!(
            r#"{"lost":[{"cause":"ring_full","events":3}],"#,
            r#""ended":[{"cause":"exec","pid":7,"text":"gone"}],"notes":[],"notes_more":2,"cost":null}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
