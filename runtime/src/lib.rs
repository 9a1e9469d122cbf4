//! Duty-cycle agents, runners, idle strategies, clocks, timers and counters.
