//! The texts of the help. Pure.

use std::fmt::Write as _;

use super::CommandInfo;

/// How a command is called, with its arguments.
pub(super) fn with_usage(path: &str, usage: &str) -> String {
    if usage.is_empty() {
        path.to_owned()
    } else {
        format!("{path} {usage}")
    }
}

/// A command in one line.
fn line(command: &CommandInfo, invocation: &str) -> String {
    let call = with_usage(&command.path, command.usage());
    let mut line = format!("`{invocation}{call}`");
    for alias in command.aliases() {
        let _ = write!(line, ", `{alias}`");
    }
    if let Some(description) = command.description() {
        let _ = write!(line, " – {description}");
    }
    line
}

/// The list, in pages of so many UTF-16 units at most: those outside of groups first, then each group under its name.
pub(super) fn list(commands: &[CommandInfo], invocation: &str, longest: usize) -> Vec<String> {
    let mut groups: Vec<&str> = commands.iter().map(CommandInfo::group).collect();
    let mut seen = std::collections::HashSet::new();
    groups.retain(|group| seen.insert(*group));
    groups.sort_by_key(|group| !group.is_empty());
    let mut pages = vec![String::new()];
    for group in groups {
        let mut heading = (!group.is_empty()).then(|| format!("*{group}*\n"));
        for command in commands.iter().filter(|command| command.group() == group) {
            let entry = format!(
                "{}{}\n",
                heading.take().unwrap_or_default(),
                line(command, invocation)
            );
            let units = |text: &str| text.encode_utf16().count();
            let is_full = |page: &String| !page.is_empty() && units(page) + units(&entry) > longest;
            if pages.last().is_some_and(is_full) {
                pages.push(String::new());
            }
            if let Some(page) = pages.last_mut() {
                page.push_str(&entry);
            }
        }
    }
    for page in &mut pages {
        page.truncate(page.trim_end().len());
    }
    pages
}

/// Everything about one command.
pub(super) fn details(command: &CommandInfo, invocation: &str) -> String {
    let call = with_usage(&command.path, command.usage());
    let mut text = format!("`{invocation}{call}`");
    let mut add = |what: &str, words: &str| {
        if !words.is_empty() {
            let _ = write!(text, "\n{what}{words}");
        }
    };
    add("", command.description().unwrap_or_default());
    let in_code = |words: &mut dyn Iterator<Item = &str>, before: &str| {
        let words: Vec<_> = words.map(|word| format!("`{before}{word}`")).collect();
        words.join(", ")
    };
    add("Also called: ", &in_code(&mut command.aliases(), ""));
    add("For example: ", &in_code(&mut command.examples(), invocation));
    add("At most: ", &command.limits().collect::<Vec<_>>().join("; "));
    add("For: ", &command.requirements().collect::<Vec<_>>().join("; "));
    text
}
