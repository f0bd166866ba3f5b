//! Whatever a server takes for a mention is none behind this, unless it is allowed.

use proptest::prelude::*;

use super::*;

fn groups_only(text: &str) -> String {
    let allowed = AllowedMentions::default();
    Mentionable::new(&allowed, None, false)
        .neutralise(text)
        .into_owned()
}

fn only(names: &[&str], text: &str) -> String {
    let allowed = AllowedMentions::users(names.iter().copied());
    Mentionable::new(&allowed, None, false)
        .neutralise(text)
        .into_owned()
}

#[test]
fn group_mentions_notify_nobody() {
    assert_eq!(
        groups_only("hi @all and @Here!"),
        "hi @\u{200B}all and @\u{200B}Here!"
    );
    for text in [
        "mail@allan.example",
        "@alligator",
        "@here_we_go",
        "@all.star",
        "@all-stars",
        "@all--x",
        "bot@all.example",
        "bot@here",
        "https://example.org/@all",
        "all here",
        "@",
        "@a",
        "@é",
        "@al",
        "@aé",
    ] {
        assert_eq!(groups_only(text), text);
    }
}

#[test]
fn a_group_name_ends_where_the_server_says() {
    for text in [
        "@all大家好",
        "@allä",
        "@all-",
        "@all.",
        "@here...",
        "@all_",
        "@all",
        "(@all)",
        ">@all",
        "_@all",
        "x.@all",
        "-@here",
        "é@HERE",
        "@all,@x",
        "@@all",
    ] {
        let group = text.rfind("@all").or(text.find("@here")).or(text.find("@HERE"));
        let (before, behind) = text.split_at(group.expect("a group") + 1);
        assert_eq!(groups_only(text), format!("{before}\u{200B}{behind}"));
    }
}

#[test]
fn a_group_that_is_allowed_stays() {
    let allowed = AllowedMentions::default();
    assert_eq!(
        Mentionable::new(&allowed, None, true).neutralise("@all @ann"),
        "@all @ann"
    );
    let allowed = AllowedMentions::none().and_groups();
    let neutral = Mentionable::new(&allowed, None, false).neutralise("@all @here. @ann");
    assert_eq!(neutral, "@all @here\u{200B}. @\u{200B}ann");
    // A name does not make a group of itself.
    assert_eq!(only(&["all"], "@all"), "@\u{200B}all");
}

#[test]
fn only_who_is_allowed_is_mentioned() {
    for (text, neutral) in [
        ("@ann @bob", "@ann @|bob"),
        ("@Ann!", "@Ann!"),
        // Names may hold what stands behind them.
        ("@ann.", "@ann|."),
        ("@ann: hi", "@ann|: hi"),
        ("@ann大家", "@ann|大家"),
        ("@anna", "@|anna"),
        ("@ann.smith", "@|ann.smith"),
        ("@ann:evil.example", "@|ann:evil.example"),
        ("@ann@evil.example", "@|ann@evil.example"),
        ("@ann@é", "@ann|@|é"),
        ("@大家", "@|大家"),
        ("(@bob)", "(@|bob)"),
        ("a@b.example", "a@b.example"),
        ("https://example.org/@bob", "https://example.org/@bob"),
        ("@ 5 pm, @, @@", "@ 5 pm, @, @@"),
    ] {
        assert_eq!(only(&["ann"], text), neutral.replace('|', "\u{200B}"));
    }
    assert_eq!(only(&["ann", "ann."], "@ann."), "@ann.");
    assert_eq!(only(&[], "@ann"), "@\u{200B}ann");
}

#[test]
fn the_author_is_who_caused_the_event() {
    let allowed = AllowedMentions::author();
    let by = |author| {
        Mentionable::new(&allowed, author, false)
            .neutralise("@ann")
            .into_owned()
    };
    assert_eq!(by(Some("ann")), "@ann");
    assert_eq!(by(Some("bob")), "@\u{200B}ann");
    assert_eq!(by(Some("")), "@\u{200B}ann");
    assert_eq!(by(None), "@\u{200B}ann");
}

/// What a server finds: `(^|\s|>)@(P+(@P+)?(:[0-9a-zA-Z-_.]+)?)` with the flags `gm`, where `P` is what an administrator
/// takes for a name.
fn found_by_a_server(text: &str, is_in_name: fn(char) -> bool) -> Vec<String> {
    fn is_space(c: char) -> bool {
        matches!(c, '\t'..='\r' | ' ' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{2028}' | '\u{2029}'
            | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\u{FEFF}')
    }
    fn is_default(c: char) -> bool {
        c.is_ascii_alphanumeric() || "-_.".contains(c)
    }
    let run = |chars: &[char], from: usize, is_in: fn(char) -> bool| {
        from + chars[from..].iter().take_while(|c| is_in(**c)).count()
    };
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let begins_line = at == 0 || matches!(chars[at - 1], '\n' | '\r' | '\u{2028}' | '\u{2029}');
        let sign = match chars[at] {
            '@' if begins_line => at,
            c if (is_space(c) || c == '>') && chars.get(at + 1) == Some(&'@') => at + 1,
            _ => {
                at += 1;
                continue;
            }
        };
        let mut end = run(&chars, sign + 1, is_in_name);
        if end == sign + 1 {
            at += 1;
            continue;
        }
        for (mark, is_in) in [('@', is_in_name), (':', is_default as fn(char) -> bool)] {
            if chars.get(end) == Some(&mark) && run(&chars, end + 1, is_in) > end + 1 {
                end = run(&chars, end + 1, is_in);
            }
        }
        found.push(chars[sign + 1..end].iter().collect());
        at = end;
    }
    found
}

fn default_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

fn names_of_any_letters(c: char) -> bool {
    c.is_alphanumeric() || "-_.".contains(c)
}

#[test]
fn the_reference_finds_what_a_server_does() {
    let found = |text| found_by_a_server(text, default_names);
    assert_eq!(found("@ann hi @bob.\n>@carl"), ["ann", "bob.", "carl"]);
    assert_eq!(
        found("@ann@example.org:x @ann:y.z"),
        ["ann@example.org:x", "ann:y.z"]
    );
    assert_eq!(found("@allä x@ann (@ann) @@ann"), ["all"]);
    assert_eq!(found_by_a_server("@allä", names_of_any_letters), ["allä"]);
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("@".to_owned()),
        2 => Just("@ann".to_owned()),
        1 => Just("@all".to_owned()),
        1 => Just("@here".to_owned()),
        2 => "[a-zA-Z0-9]{1,3}",
        2 => "[-_.:/> \n@*~`|()!,\u{200B}\u{2028}\u{3000}\u{FEFF}]{1,2}",
        1 => "[éä大🎉]",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn policy() -> impl Strategy<Value = AllowedMentions> {
    let users = prop::collection::vec("(ann|bob|ann\\.|a|大|all)", 0..3);
    (any::<bool>(), users, any::<bool>(), any::<bool>()).prop_map(|(all, users, author, groups)| {
        let mut allowed = if all {
            AllowedMentions::all_users()
        } else {
            AllowedMentions::users(users)
        };
        if author {
            allowed = allowed.and_author();
        }
        if groups {
            allowed = allowed.and_groups();
        }
        allowed
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_server_finds_only_what_is_allowed(text in text(), allowed in policy()) {
        let mentionable = Mentionable::new(&allowed, Some("carl"), false);
        let neutral = mentionable.neutralise(&text);
        for is_in_name in [default_names as fn(char) -> bool, names_of_any_letters] {
            for name in found_by_a_server(&neutral, is_in_name) {
                let is_group = GROUPS.contains(&name.as_str());
                let is_user = allowed.named().is_none_or(|names| {
                    names.iter().any(|user| user.eq_ignore_ascii_case(&name))
                        || allowed.allows_author() && name.eq_ignore_ascii_case("carl")
                });
                let is_allowed = match is_group {
                    true => allowed.allows_groups(),
                    false => is_user || allowed.allows_groups() && GROUPS.iter().any(|group| group.eq_ignore_ascii_case(&name)),
                };
                prop_assert!(is_allowed, "{name:?} in {neutral:?}");
            }
        }
    }

    #[test]
    fn nothing_else_is_changed(text in text(), allowed in policy()) {
        let mentionable = Mentionable::new(&allowed, Some("carl"), false);
        let neutral = mentionable.neutralise(&text);
        prop_assert_eq!(neutral.replace(BREAK, ""), text.replace(BREAK, ""));
        prop_assert_eq!(&mentionable.neutralise(&neutral), &neutral);
    }

    #[test]
    fn who_is_allowed_is_found(before in "[a-z >\n]{0,5}", behind in "([ ,!?)\n.:é].{0,5})?") {
        let neutral = only(&["ann"], &format!("{before} @ann{behind}"));
        let found = found_by_a_server(&neutral, default_names);
        let is_another = behind.trim_start_matches(['.', ':', '-', '_', '@']).starts_with(|c: char| c.is_ascii_alphanumeric())
            && behind.starts_with(['.', ':']);
        prop_assert!(is_another || found.contains(&"ann".to_owned()), "{neutral:?}");
    }
}
