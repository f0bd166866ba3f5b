//! An explanation as text: what the event is, then a line for each route.

use std::fmt;

use super::{Explanation, FoundCommand, LeadsTo, NoCommand, RouteExplanation, RouteRole, Verdict};
use crate::command::Address;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.event.name())?;
        match &self.command {
            Ok(command) => write!(f, "{command}")?,
            Err(NoCommand::NoPrefix) if !self.prefixes.is_empty() => {
                f.write_str("no command, for it does not begin with ")?;
                for prefix in &self.prefixes {
                    write!(f, "`{prefix}` or ")?;
                }
                f.write_str("a mention of the bot")?;
            }
            Err(why) => write!(f, "no command, for {why}")?,
        }
        if self.has_layers {
            f.write_str("\n  the router's own layers are not asked, and may answer before any route")?;
        }
        let widest = self
            .routes
            .iter()
            .map(|route| route.label().chars().count())
            .max();
        for route in &self.routes {
            let mark = match route.verdict {
                Verdict::Runs | Verdict::Entered => "+",
                _ => "-",
            };
            write!(
                f,
                "\n{mark} {:<width$}  {}",
                route.label(),
                route.verdict,
                width = widest.unwrap_or_default()
            )?;
            if route.has_layers && route.verdict == Verdict::Entered {
                f.write_str("; its layers are not asked")?;
            }
        }
        match &self.answer {
            Some(answer) if answer.is_silent => write!(f, "\n= refused in silence: {}", answer.text),
            Some(answer) => write!(f, "\n= the router answers: {}", answer.text),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FoundCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str("a command without a name")?;
        } else {
            write!(f, "the command `{}`", self.path)?;
        }
        match self.address {
            Address::Prefix => write!(f, " behind `{}`", self.prefix)?,
            Address::Mention => write!(f, " behind the mention `{}`", self.prefix)?,
            Address::Direct => f.write_str(" in a direct conversation")?,
        }
        f.write_str(match self.leads_to {
            LeadsTo::Command => "",
            LeadsTo::UnknownCommand => ", which the router does not have",
            LeadsTo::UnknownSubcommand => ", which the group does not have",
            LeadsTo::JustAMessage => ", which the router does not have: just a message",
        })
    }
}

impl RouteExplanation {
    /// Its role and its name, where one does not say the other.
    fn label(&self) -> String {
        match (self.role, &self.group) {
            (RouteRole::UnknownCommand | RouteRole::Fallback, Some(group)) => {
                format!("{} of group {group}", self.role)
            }
            (RouteRole::UnknownCommand | RouteRole::Fallback, None) => self.role.to_string(),
            _ => format!("{} {}", self.role, self.name),
        }
    }
}
