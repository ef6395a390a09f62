//! What goes into one request of `runs/log-batch`, within the limits that MLflow's REST documentation guarantees.

use serde_json::{Value, json};

/// Metrics in a request.
pub const METRICS_MAX: usize = 1000;
/// Parameters or tags in a request.
const ENTRIES_MAX: usize = 100;
/// Bytes of a name, of a parameter's value and of a tag's value.
const NAME_BYTES_MAX: usize = 250;
const PARAM_BYTES_MAX: usize = 6000;
const TAG_BYTES_MAX: usize = 5000;

/// Requests that log parameters; values that are too long are cut.
pub fn params(params: &[(String, String)]) -> Vec<Value> {
    requests("params", params, PARAM_BYTES_MAX)
}

/// Requests that log tags; values that are too long are cut.
pub fn tags(tags: &[(String, String)]) -> Vec<Value> {
    requests("tags", tags, TAG_BYTES_MAX)
}

fn requests(kind: &str, entries: &[(String, String)], bytes_max: usize) -> Vec<Value> {
    let entry = |(key, value): &(String, String)| json!({ "key": name(key), "value": cut(value, bytes_max) });
    let request = |entries: &[(String, String)]| json!({ kind: entries.iter().map(entry).collect::<Vec<_>>() });
    entries.chunks(ENTRIES_MAX).map(request).collect()
}

/// A metric as the server reads it. JSON has no number for NaN and the infinities: they travel as their names.
pub fn metric(key: &str, value: f64, step: u64, timestamp_ms: u64) -> Value {
    let value = match value {
        value if value.is_finite() => json!(value),
        value if value.is_nan() => json!("NaN"),
        value => json!(if value > 0.0 { "Infinity" } else { "-Infinity" }),
    };
    json!({ "key": name(key), "value": value, "step": step, "timestamp": timestamp_ms })
}

/// A name with an underscore for every character that some server refuses.
pub fn name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-. /".contains(c);
    cut(&name.chars().map(|c| if allowed(c) { c } else { '_' }).collect::<String>(), NAME_BYTES_MAX).to_owned()
}

/// As much of a text as `bytes_max` bytes hold.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_split_into_requests_of_a_hundred() {
        let entries: Vec<(String, String)> = (0..250).map(|n| (format!("p{n}"), n.to_string())).collect();
        let requests = params(&entries);
        let counts: Vec<usize> = requests.iter().map(|request| request["params"].as_array().unwrap().len()).collect();
        assert_eq!(counts, [100, 100, 50]);
        assert_eq!(requests[2]["params"][49], json!({ "key": "p249", "value": "249" }));
        assert!(tags(&[]).is_empty());
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = "é".repeat(4000);
        let request = &params(&[("note".into(), format!("a{long}"))])[0];
        let value = request["params"][0]["value"].as_str().unwrap();
        assert_eq!(value.len(), PARAM_BYTES_MAX - 1);
        assert!(value.ends_with('é'));
    }

    #[test]
    fn names_keep_what_every_server_takes() {
        assert_eq!(name("recall/winter cloudy (80 %)"), "recall/winter cloudy _80 __");
        assert_eq!(name(&"x".repeat(300)).len(), NAME_BYTES_MAX);
    }

    #[test]
    fn numbers_that_json_lacks_travel_by_name() {
        let value = |value| metric("loss", value, 1, 0)["value"].clone();
        assert_eq!(value(0.5), json!(0.5));
        assert_eq!([f64::NAN, f64::INFINITY, -f64::INFINITY].map(value), ["NaN", "Infinity", "-Infinity"]);
    }
}
