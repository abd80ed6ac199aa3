//! A report as one page that needs nothing else: no script, no network.

use std::fmt::Write as _;

use super::chart::svg;
use super::machine::Made;
use super::model::{Part, Report};
use super::print::beside;
use super::timeline::{Over, Span, Timeline};

const STYLE: &str = "
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .6rem 0 1.4rem; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid #e3e3e3; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.verdict { display: inline-block; padding: .15rem .6rem; border-radius: .3rem; color: #fff;
  background: #28824a; } .verdict.bad { background: #b3261e; } .verdict.near { background: #a85a00; }
.bad-line { color: #b3261e; } svg { max-width: 100%; height: auto; }
figure { margin: 0 0 1.2rem; } figcaption { font-weight: 600; } .quiet { color: #666; }
";

impl Report {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let (class, verdict) = match (self.passed(), self.crossed()) {
            (false, _) => ("bad", "failed"),
            (true, true) => ("near", "crossed a threshold"),
            (true, false) => ("", "passed"),
        };
        let title = text(&self.command);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}: {verdict}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n\
             <p><span class=\"verdict {class}\">{verdict}</span></p>\n"
        );
        if let Some(made) = self.made.as_ref().map(Made::words) {
            writeln!(page, "<p class=\"quiet\">{}</p>", text(&made)).unwrap_or_default();
        }
        list(&mut page, ("Failed", "bad-line"), &self.problems());
        let thresholds: Vec<String> = self.thresholds.iter().map(ToString::to_string).collect();
        list(&mut page, ("Thresholds", ""), &thresholds);
        if let Some(timeline) = &self.timeline {
            charts(&mut page, timeline);
        }
        page.push_str("<h2>Figures</h2>\n");
        for group in self.parts.chunk_by(Part::is_like) {
            table(&mut page, group);
        }
        list(&mut page, ("Notes", "quiet"), &self.notes);
        page.push_str("</html>\n");
        page
    }
}

fn charts(page: &mut String, timeline: &Timeline) {
    let head = match timeline.over {
        Over::Time => "Over time",
        Over::Load(_) => "By load",
    };
    writeln!(page, "<h2>{head}</h2>").unwrap_or_default();
    let unit = timeline.over.symbol();
    let spans = |spans: &[Span]| {
        let named = spans.iter().map(|span| {
            let Span { name, from, to } = span;
            format!("{} from {from:.1} to {to:.1} {unit}", text(name))
        });
        named.collect::<Vec<_>>().join(", ")
    };
    // Writing into memory does not fail, here and below.
    if timeline.over == Over::Time {
        writeln!(
            page,
            "<p class=\"quiet\">By the moment at which something was due. Phases: {}.</p>",
            spans(&timeline.phases)
        )
        .unwrap_or_default();
    }
    if !timeline.faults.is_empty() {
        let faults = spans(&timeline.faults);
        writeln!(page, "<p class=\"quiet\">Shaded: {faults}.</p>").unwrap_or_default();
    }
    for chart in timeline.charts() {
        if let Some(picture) = svg(timeline, chart) {
            let caption = format!("<figcaption>{}</figcaption>", text(chart));
            writeln!(page, "<figure>{caption}\n{picture}</figure>").unwrap_or_default();
        }
    }
}

/// A line for each figure, a column for each part.
fn table(page: &mut String, parts: &[Part]) {
    page.push_str("<table>\n<tr><th>");
    for part in parts {
        write!(page, "<th>{}", text(&part.name)).unwrap_or_default();
    }
    for (head, figures) in beside(parts) {
        write!(page, "\n<tr><td>{}", text(&head)).unwrap_or_default();
        for figure in figures {
            write!(page, "<td>{}", text(&figure)).unwrap_or_default();
        }
    }
    page.push_str("\n</table>\n");
}

fn list(page: &mut String, (head, class): (&str, &str), lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    writeln!(page, "<h2>{head}</h2>\n<ul class=\"{class}\">").unwrap_or_default();
    for line in lines {
        writeln!(page, "<li>{}", text(line).replace('\n', "<br>")).unwrap_or_default();
    }
    page.push_str("</ul>\n");
}

/// A text that cannot be taken for markup.
fn text(raw: &str) -> String {
    raw.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::model::{Check, Row, Unit};
    use super::super::timeline::Curve;
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("run <lunch>");
        let mut part = Part::new("hold");
        part.push(Row::new("acked/s", Unit::PerSecond, 40.0));
        report.parts.push(part);
        let curve = |key: &'static str, unit, scale: f64| Curve {
            chart: "time of a delivery".into(),
            key: key.into(),
            unit,
            points: (0..20)
                .map(|s| (f64::from(s), f64::from(s) * scale))
                .collect(),
        };
        let span = |name: &str, from, to| Span {
            name: name.to_owned(),
            from,
            to,
        };
        report.timeline = Some(Timeline {
            over: Over::Time,
            curves: vec![
                curve("p50", Unit::Millis, 1.0),
                curve("p99", Unit::Millis, 9.0),
            ],
            phases: vec![span("ramp", 0.0, 5.0), span("hold", 5.0, 20.0)],
            faults: vec![span("redis-kill", 8.0, 9.5)],
        });
        report
    }

    #[test]
    fn the_page_has_its_charts_in_it_and_asks_for_nothing() {
        let page = report().html();
        assert_eq!(page.matches("<svg").count(), 1);
        assert!(page.contains("redis-kill from 8.0 to 9.5 s"), "{page}");
        assert!(page.contains("p99") && page.contains("passed"));
        for outside in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn what_servers_say_makes_no_markup() {
        let mut report = report();
        let told = ["<img onerror=\"x\">".to_owned()];
        report.checks.push(Check::new("refused", 1).told(told));
        let page = report.html();
        assert!(page.contains("&lt;img onerror=&quot;x&quot;&gt;"), "{page}");
        assert!(!page.contains("<img") && page.contains("run &lt;lunch&gt;"));
    }
}
