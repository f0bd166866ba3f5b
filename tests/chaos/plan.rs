//! What a run is made of.

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) commands: usize,
    pub(crate) faults: usize,
    /// How many minutes the server's clock is ahead of ours.
    pub(crate) minutes_ahead: i64,
    /// Whether the bot is another process that is killed now and then.
    pub(crate) is_killed: bool,
    /// Whether the server does not tell all that happens, and the bot looks for it.
    pub(crate) loses_frames: bool,
    /// How often the connections are dead for longer than the bot waits for a sign of life.
    pub(crate) silences: usize,
}

impl Plan {
    /// The runs for a difference of the clocks. Without other wishes each has its own seed.
    pub(crate) fn all(minutes_ahead: i64, seed: u64) -> Vec<Self> {
        let seeds = match std::env::var("ROCKETBOTTE_CHAOS_SEED") {
            Ok(seeds) => seeds
                .split(',')
                .map(|seed| seed.trim().parse().expect("seeds are numbers"))
                .collect(),
            Err(_) => vec![seed],
        };
        let (commands, faults, silences) = match is_long() {
            true => (20_000, 1_000, 2),
            false => (600, 60, 0),
        };
        let plan = |seed| Self {
            seed,
            commands,
            faults,
            minutes_ahead,
            is_killed: false,
            loses_frames: false,
            silences,
        };
        seeds.into_iter().map(plan).collect()
    }

    /// How many faults have to be met, those of single frames and of a slow server not counted: these last, and are met
    /// by the hundred. A short run may be over before some of its faults are.
    pub(crate) fn least_faults(&self) -> u64 {
        let share = if is_long() { 1 } else { 2 };
        self.faults as u64 / share
    }
}

fn is_long() -> bool {
    std::env::var("ROCKETBOTTE_CHAOS").is_ok_and(|mode| mode == "long")
}
