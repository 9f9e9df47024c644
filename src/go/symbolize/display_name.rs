//! Function names as Go itself prints them.

use std::borrow::Cow;

/// The name as tracebacks show it: without type arguments, which are long and name internal shapes
/// (`main.Map[go.shape.int,go.shape.string]` → `main.Map[...]`; `funcNameForPrint`, runtime/symtab.go).
pub fn for_print(name: &str) -> Cow<'_, str> {
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            let (before, after) = (name.get(..open), name.get(close + 1..));
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            Cow::Owned(format!("{before}[...]{after}"))
        }
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::for_print;

    #[test]
    fn type_arguments_are_left_out() {
        let name = "main.(*List[go.shape.struct { X [3]int }]).Each.func1";
        assert_eq!(for_print(name), "main.(*List[...]).Each.func1");
        for plain in ["main.main", "main.]x[", ""] {
            assert_eq!(for_print(plain), plain);
        }
    }
}
