//! A short, one-line piece of text from outside, for logs and error messages.

/// At most `max` characters of `text`, with runs of white space and control characters as one space.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut chars = 0;
    for c in text.trim_start().chars() {
        let c = if c.is_whitespace() || c.is_control() {
            ' '
        } else {
            c
        };
        if c == ' ' && out.ends_with(' ') {
            continue;
        }
        if chars == max {
            out.truncate(out.trim_end().len());
            out.push('…');
            return out;
        }
        out.push(c);
        chars += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn one_line_and_short() {
        assert_eq!(
            excerpt("<!DOCTYPE html>\n<html>\n  <head>", 200),
            "<!DOCTYPE html> <html> <head>"
        );
        assert_eq!(excerpt("ab\u{1b}[2Jc", 3), "ab…");
        assert_eq!(excerpt("äöü", 2), "äö…");
        assert_eq!(excerpt(" \n ", 2), "");
    }
}
