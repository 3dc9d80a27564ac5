//! Tag rules, presets and git context as values.
