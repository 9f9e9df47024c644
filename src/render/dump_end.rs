//! How a process ended, above the goroutines of its core dump.

use std::io::Write;

use crate::model::dump::End;

use super::json::Object;

/// One line, and an empty one; nothing if the dump says nothing.
pub fn text(out: &mut Vec<u8>, end: &End) {
    let Some(signal) = &end.signal else {
        return;
    };
    out.extend_from_slice(end.name.as_bytes());
    if let Some(pid) = end.pid {
        let _ = write!(out, " (pid {pid})");
    }
    match &end.handled {
        Some(handled) if handled != signal => {
            let _ = write!(out, " got {handled} and ended by {signal}");
        }
        _ => {
            let _ = write!(out, " ended by {signal}");
        }
    }
    match end.goid {
        Some(goid) => {
            let _ = write!(out, " in goroutine {goid}");
        }
        None if end.cut_off.is_some() => {
            out.extend_from_slice(b"; in which goroutine is not in the core dump");
        }
        None => out.extend_from_slice(b" in a thread that ran no goroutine"),
    }
    if let Some(place) = &end.place {
        let after = if end.fault { ", after a fault" } else { "," };
        let _ = write!(
            out,
            "{after} at {} ({}:{})",
            place.function, place.file, place.line
        );
    }
    out.extend_from_slice(b"\n\n");
}

/// One object.
pub fn json(out: &mut Vec<u8>, end: &End) {
    let mut object = Object::begin(out);
    object
        .text("event", "core")
        .text("name", &end.name)
        .number_or_null("pid", end.pid.and_then(|pid| u64::try_from(pid).ok()))
        .text_or_null("signal", end.signal.as_deref())
        .text_or_null("handled_signal", end.handled.as_deref())
        .number_or_null("goid", end.goid)
        .truth("fault", end.fault);
    match &end.place {
        Some(place) => object.object("at", |inner| {
            inner
                .text("function", &place.function)
                .text("file", &place.file)
                .number("line", u64::from(place.line))
                .number("pc", place.pc);
        }),
        None => object.null("at"),
    };
    object
        .number_or_null("size_bytes", end.cut_off.map(|(there, _)| there))
        .number_or_null("whole_bytes", end.cut_off.map(|(_, whole)| whole));
    object.end();
}

/// What is said of a dump that is cut off, for people.
pub fn cut_off(end: &End) -> Option<String> {
    let (there, whole) = end.cut_off?;
    Some(format!(
        "the core dump is cut off: {there} of {whole} bytes are there (a limit of its size, or a full disk); shown is what can be read"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::sample::place;

    #[test]
    fn the_end_is_told_in_one_line() {
        let mut end = End {
            name: "server".to_owned(),
            pid: Some(42),
            signal: Some("SIGABRT".to_owned()),
            goid: Some(7),
            place: Some(place("main.f", 9)),
            fault: true,
            ..End::default()
        };
        let told = |end: &End| {
            let mut out = Vec::new();
            text(&mut out, end);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            told(&end),
            "server (pid 42) ended by SIGABRT in goroutine 7, after a fault at main.f (/src/main.go:9)\n\n"
        );
        end.handled = Some("SIGQUIT".to_owned());
        end.fault = false;
        assert_eq!(
            told(&end),
            "server (pid 42) got SIGQUIT and ended by SIGABRT in goroutine 7, at main.f (/src/main.go:9)\n\n"
        );
        assert_eq!(told(&End::default()), "", "it went on");
        let mut out = Vec::new();
        json(&mut out, &end);
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (&object["goid"], &object["at"]["line"]),
            (&7.into(), &9.into())
        );
    }
}
