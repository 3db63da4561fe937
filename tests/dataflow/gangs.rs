//! Gangs run their members at the same time.
