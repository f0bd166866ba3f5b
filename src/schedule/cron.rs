//! Times by a cron expression, on the wall of a time zone.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::ScheduleError;
use crate::event::Timestamp;

/// A cron expression and the zone that it is meant in.
pub(super) struct CronTimes {
    expression: String,
    cron: Cron,
    zone: TimeZone,
}

impl CronTimes {
    pub(super) fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let expression = expression.trim();
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(expression)
            .map_err(|error| ScheduleError::expression(expression, &error))?;
        let times = Self {
            expression: expression.to_owned(),
            cron,
            zone: TimeZone::UTC,
        };
        // All that repeats does so within a cycle of the calendar: what does not come after 1970 never comes.
        if times.next_after(Timestamp::from_millis(0)).is_none() {
            return Err(ScheduleError::never(expression));
        }
        Ok(times)
    }

    pub(super) fn in_zone(&self, name: &str) -> Result<Self, ScheduleError> {
        let zone = TimeZone::get(name).map_err(|error| ScheduleError::zone(name, error))?;
        Ok(Self {
            expression: self.expression.clone(),
            cron: self.cron.clone(),
            zone,
        })
    }

    pub(super) fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&self.zoned(at)?, false).ok()?;
        let next = Timestamp::from_millis(next.timestamp().as_millisecond());
        // What is not later would be due for ever.
        (next > at).then_some(next)
    }

    pub(super) fn between(&self, after: Timestamp, until: Timestamp, most: usize) -> (Vec<Timestamp>, bool) {
        let mut times = Vec::new();
        let mut at = until;
        let mut is_inclusive = true;
        while let Some(before) = self.before(at, is_inclusive).filter(|before| *before > after) {
            if times.len() == most || (!is_inclusive && before >= at) {
                times.reverse();
                return (times, true);
            }
            times.push(before);
            (at, is_inclusive) = (before, false);
        }
        times.reverse();
        (times, false)
    }

    fn before(&self, at: Timestamp, is_inclusive: bool) -> Option<Timestamp> {
        let zoned = self.zoned(at)?;
        let before = self.cron.find_previous_occurrence(&zoned, is_inclusive).ok()?;
        Some(Timestamp::from_millis(before.timestamp().as_millisecond()))
    }

    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

impl PartialEq for CronTimes {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.zone == other.zone
    }
}

impl fmt::Display for CronTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(f, "{} in {zone}", self.expression)
    }
}
