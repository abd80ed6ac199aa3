//! The table of `bench chats`: a row for each thing measured, and under it its ratio to the base.

use super::Figures;
use super::list::{Condition, ListFigures};
use super::messages::MessageFigures;
use crate::bench::saturation;
use crate::meters::Cost;
use crate::report::{Report, Table, figure, result, times, whole};
use crate::stats::{LatencySummary, ratio};

const HEADS: [&str; 12] = [
    "",
    "stmts",
    "db ms",
    "db blocks",
    "cpu ms",
    "redis B",
    "B/socket",
    "ack p50",
    "feed p50",
    "feed p99",
    "all p50",
    "all p99",
];
const COLUMNS: usize = HEADS.len() - 1;
/// Columns that are shown without digits after the point.
const WHOLE: [usize; 3] = [2, 4, 5];

/// One row of figures.
struct Line {
    name: String,
    cells: [Option<f64>; COLUMNS],
}

/// Everything that a reader sees.
pub(super) fn report(figures: &Figures, mut notes: Vec<String>) -> Report {
    let mut table = Table::new(&HEADS);
    let messages: Vec<Line> = figures.messages.iter().map(of_messages).collect();
    if let [small, large] = messages.as_slice() {
        table.row(small.row());
        table.row(large.row());
        table.row(large.ratios_to(small));
    }
    for limit in limits(&figures.lists) {
        let lists = figures.lists.iter().filter(|list| list.limit == limit);
        let mut before: Option<Line> = None;
        for line in lists.map(of_list) {
            table.row(line.row());
            if let Some(before) = &before {
                table.row(line.ratios_to(before));
            }
            before = Some(line);
        }
    }
    notes.insert(
        0,
        "per message or list, without what the servers do when idle; times in ms; ratios are to \
         the row of figures before"
            .to_owned(),
    );
    let busy = figures.messages.iter().filter_map(|messages| {
        let busy = saturation(messages.generator_cpu_cores)?;
        Some(format!("{} members: {busy}", messages.members))
    });
    notes.extend(busy);
    Report {
        command: "bench chats",
        table,
        notes,
        problems: problems(figures),
        result: result(figures),
    }
}

fn problems(figures: &Figures) -> Vec<String> {
    let messages = figures.messages.iter().filter_map(|messages| {
        let problem = messages.problem.as_ref()?;
        Some(format!("{} members: {problem}", messages.members))
    });
    let lists = figures.lists.iter().filter_map(|list| {
        let problem = list.problem.as_ref()?;
        Some(format!("{}: {problem}", name(list.condition, list.limit)))
    });
    messages.chain(lists).collect()
}

fn limits(lists: &[ListFigures]) -> Vec<u32> {
    let mut limits: Vec<u32> = lists.iter().map(|list| list.limit).collect();
    limits.sort_unstable();
    limits.dedup();
    limits
}

fn of_messages(figures: &MessageFigures) -> Line {
    let [stmts, db, blocks, cpu, redis] = of_cost(&figures.cost);
    let [ack_p50, _] = of_latency(&figures.ack);
    let [feed_p50, feed_p99] = of_latency(&figures.last_feed);
    let [all_p50, all_p99] = of_latency(&figures.last_digest);
    let (members, connected) = (figures.members, figures.connected);
    Line {
        name: format!("message, {members} members, {connected} connected"),
        cells: [
            stmts,
            db,
            blocks,
            cpu,
            redis,
            figures.bytes_per_socket,
            ack_p50,
            feed_p50,
            feed_p99,
            all_p50,
            all_p99,
        ],
    }
}

fn of_list(figures: &ListFigures) -> Line {
    let [stmts, db, blocks, cpu, redis] = of_cost(&figures.cost);
    let [p50, p99] = of_latency(&figures.latency);
    let bytes = figures.answer_bytes;
    Line {
        name: name(figures.condition, figures.limit),
        cells: [
            stmts, db, blocks, cpu, redis, bytes, p50, None, None, p50, p99,
        ],
    }
}

fn name(condition: Condition, limit: u32) -> String {
    let Condition {
        chats,
        messages,
        read,
    } = condition;
    let unread = if read { "read" } else { "unread" };
    format!("list {limit} of {chats} chats, {messages} {unread} each")
}

fn of_cost(cost: &Cost) -> [Option<f64>; 5] {
    [
        cost.statements,
        cost.database_ms,
        cost.database_blocks,
        cost.cpu_ms,
        cost.redis_bytes,
    ]
}

/// Median and 99th percentile, if anything was recorded.
fn of_latency(latency: &LatencySummary) -> [Option<f64>; 2] {
    if latency.count == 0 {
        return [None; 2];
    }
    [Some(latency.p50_ms), Some(latency.p99_ms)]
}

impl Line {
    fn row(&self) -> Vec<String> {
        let mut row = vec![self.name.clone()];
        for (column, cell) in self.cells.iter().enumerate() {
            let shown = if WHOLE.contains(&column) {
                whole(*cell)
            } else {
                figure(*cell)
            };
            row.push(shown);
        }
        row
    }

    fn ratios_to(&self, base: &Self) -> Vec<String> {
        let mut row = vec!["  x the row before".to_owned()];
        for (cell, base) in self.cells.iter().zip(&base.cells) {
            let ratio = cell.zip(*base).and_then(|(cell, base)| ratio(cell, base));
            row.push(times(ratio));
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_column_by_column_and_missing_figures_stay_missing() {
        let line = |value: f64, redis| Line {
            name: "x".to_owned(),
            cells: std::array::from_fn(|column| if column == 4 { redis } else { Some(value) }),
        };
        let ratios = line(6.0, None).ratios_to(&line(3.0, Some(1.0)));
        assert_eq!(ratios[1], "2.00x");
        assert_eq!(ratios[5], "-");
        assert_eq!(line(6.4, None).row()[3], "6");
    }
}
