//! What `publish --json` and `subscribe --json` say: a line for each event, the last one a summary.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The last line, when it is a summary with the fields asked for.
pub(crate) fn parse<T: DeserializeOwned>(output: &str) -> Option<T> {
    let value: Value = serde_json::from_str(output.lines().next_back()?).ok()?;
    (value["event"] == "summary")
        .then(|| serde_json::from_value(value).ok())
        .flatten()
}

/// Every event of this name, in order. A line that is being written is none yet.
pub(crate) fn events(output: &str, name: &str) -> Vec<Value> {
    let lines = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|value: &Value| value["event"] == name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_name_and_half_a_line_is_none() {
        let output = "{\"event\":\"a\",\"n\":1}\n{\"event\":\"b\"}\ntext\n{\"event\":\"a\",\"n\":2}\n{\"event\":\"a";
        let found = events(output, "a");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1]["n"], 2);
    }
}
