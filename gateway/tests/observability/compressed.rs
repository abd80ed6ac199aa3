//! Rules whose time runs faster: every duration in them is divided.

/// The text of a rule file in which `for`, `keep_firing_for` and all windows are shorter.
pub(crate) fn compressed(rules: &str, factor: u64) -> String {
    let mut out = String::new();
    for line in rules.lines() {
        let trimmed = line.trim_start();
        if let Some(duration) = ["for: ", "keep_firing_for: "]
            .iter()
            .find_map(|name| trimmed.strip_prefix(name))
        {
            let (start, _) = line.split_at(line.len() - duration.len());
            out.push_str(start);
            out.push_str(&shorter(duration, factor).unwrap());
        } else {
            out.push_str(&windows(line, factor));
        }
        out.push('\n');
    }
    out
}

/// A line in which whatever stands in brackets and is a duration is shorter.
fn windows(line: &str, factor: u64) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        rest = after;
        if let Some((inside, after)) = after.split_once(']')
            && let Some(duration) = shorter(inside, factor)
        {
            out.push_str(&duration);
            out.push(']');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// `5m` as milliseconds, divided; none if it is no duration.
fn shorter(duration: &str, factor: u64) -> Option<String> {
    let unit = duration.chars().last()?;
    let number: u64 = duration.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    Some(format!("{}ms", number * seconds * 1_000 / factor))
}

#[test]
fn every_duration_of_a_rule_is_divided_and_nothing_else() {
    let rules = "\
- record: a:b:rate5m
  expr: rate(x{y=~\"[a-z]5m\"}[5m]) / rate(z[1d])
  for: 2m
  keep_firing_for: 30s
";
    let wanted = "\
- record: a:b:rate5m
  expr: rate(x{y=~\"[a-z]5m\"}[5000ms]) / rate(z[1440000ms])
  for: 2000ms
  keep_firing_for: 500ms
";
    assert_eq!(compressed(rules, 60), wanted);
}
