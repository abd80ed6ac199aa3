//! Logs: JSON lines off a terminal, readable ones on it; and their filter, which can be changed while
//! the process runs.

use std::{
    fs::File,
    io::{IsTerminal, Read as _, stderr},
    sync::{Mutex, OnceLock, PoisonError},
};

use json_subscriber::FieldWriter;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_otlp::ExporterBuildError;
use tokio::signal::unix::Signal;
use tracing::{Event, Level, Metadata, Subscriber, dispatcher};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, LevelFilter, filter_fn},
    fmt,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt as _,
};

use super::{
    catalogue,
    traces::{self, Destination, Traces},
};

/// Log format and filter.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogsArgs {
    /// `json` or `pretty`; unset: pretty on a terminal, else JSON.
    #[arg(long, env = "LOG_FORMAT", global = true)]
    log_format: Option<LogFormat>,
    /// Filter directives, as in `info,roomwire_gateway=debug`.
    #[arg(long, env = "RUST_LOG", default_value = DEFAULT, global = true)]
    rust_log: String,
    /// File that holds the directives, instead of `RUST_LOG`; read again at each SIGHUP. Without one,
    /// SIGHUP switches the gateway's own details on and off.
    #[arg(long, env = "RUST_LOG_FILE", global = true)]
    rust_log_file: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    Json,
    Pretty,
}

/// Libraries that write what they carry when they are asked for details: texts and tokens. Whatever
/// the filter says, also of a single module of theirs, these details stay off.
const QUIET: [&str; 9] = [
    "tungstenite",
    "tokio_tungstenite",
    "hyper",
    "fred",
    "sqlx",
    "h2",
    "tonic",
    "tower",
    "reqwest",
];
/// Says which parameter of the database's URL it does not know, with its value.
const SILENT: &str = "sqlx_postgres::options::parse";
/// Spans for traces are let through: they have no lines, but lend their ids to those within.
const SPANS: &str = "roomwire_trace=info";

/// The filter where nobody has said anything.
const DEFAULT: &str = "info";
/// What SIGHUP adds, and takes away again.
const DETAILS: &str = "roomwire_gateway=debug";
/// Longest filter, in bytes.
pub(crate) const FILTER_BYTES_MAX: usize = 4_096;

/// Directives that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadFilter {
    #[error("expected directives such as info,roomwire_gateway=debug")]
    Malformed,
    #[error("the filter is longer than {FILTER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the file of the filter cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("this process does not log")]
    NotStarted,
}

/// The filter in force, and where it came from.
struct Switch {
    handle: reload::Handle<EnvFilter, Registry>,
    now: Mutex<String>,
    /// As it was at the start.
    first: String,
    file: Option<String>,
}

static SWITCH: OnceLock<Switch> = OnceLock::new();

/// Starts logging to standard error, and traces of this node if they have a destination: then on the
/// runtime of the process. A second call changes nothing.
pub(crate) fn start(
    args: &LogsArgs,
    to: Option<(Destination, &str)>,
) -> Result<Option<Traces>, ExporterBuildError> {
    let file = args.rust_log_file.clone().filter(|path| !path.is_empty());
    let directives = match &file {
        Some(path) => read(path),
        // An empty variable counts as unset.
        None if args.rust_log.trim().is_empty() => Ok(DEFAULT.to_owned()),
        None => Ok(args.rust_log.clone()),
    };
    let parsed = directives.and_then(|text| Ok((parse(&text)?, text)));
    let (problem, (filter, text)) = match parsed {
        Ok(parsed) => (None, parsed),
        Err(problem) => (
            Some(problem),
            (with_spans(EnvFilter::new(DEFAULT)), DEFAULT.to_owned()),
        ),
    };
    let (filter, handle) = reload::Layer::new(filter);
    let filter = filter.and(filter_fn(is_harmless));
    let lines = if is_pretty(args.log_format) {
        fmt::layer().with_writer(stderr).with_filter(filter).boxed()
    } else {
        json().with_filter(filter).boxed()
    };
    let traces = to.map(|(to, node)| Traces::start(to, node)).transpose()?;
    let subscriber = tracing_subscriber::registry()
        .with(lines)
        .with(Counting.with_filter(LevelFilter::WARN))
        .with(traces.as_ref().map(Traces::layer));
    if subscriber.try_init().is_err() {
        tracing::debug!("logging was started before");
        return Ok(traces);
    }
    let switch = Switch {
        handle,
        now: Mutex::new(text.clone()),
        first: text,
        file,
    };
    SWITCH.set(switch).unwrap_or_default();
    if let Some(problem) = problem {
        tracing::warn!(%problem, "the filter of the log is info");
    }
    Ok(traces)
}

fn is_pretty(format: Option<LogFormat>) -> bool {
    match format {
        Some(format) => format == LogFormat::Pretty,
        None => stderr().is_terminal(),
    }
}

/// One flat object a line. Of spans it shows the ids of the trace that a line belongs to.
fn json<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let mut lines = json_subscriber::layer()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(stderr);
    let ids = |event: &Event<'_>, context: &Context<'_, S>, line: &mut FieldWriter<'_>| {
        if !traces::are_on() {
            return;
        }
        let Some(span) = context.event_span(event) else {
            return;
        };
        let found = dispatcher::get_default(|dispatch| {
            tracing_opentelemetry::get_otel_context(&span.id(), dispatch)
        });
        if let Some(found) = found {
            let place = found.span().span_context().clone();
            // A line without them is still a line.
            line.write_field("trace_id", place.trace_id().to_string())
                .unwrap_or_default();
            line.write_field("span_id", place.span_id().to_string())
                .unwrap_or_default();
        }
    };
    lines.inner_layer_mut().add_multiple_dynamic_fields(ids);
    lines
}

/// Counts warnings and errors.
struct Counting;

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            _ => "warn",
        };
        metrics::counter!(catalogue::LOG_LINES, "level" => level).increment(1);
    }
}

/// The directives in force.
pub(crate) fn filter() -> Option<String> {
    let now = SWITCH.get()?.now.lock();
    Some(now.unwrap_or_else(PoisonError::into_inner).clone())
}

/// Puts other directives in force, until the next change or the end of the process.
pub(crate) fn set_filter(text: &str) -> Result<(), BadFilter> {
    let switch = SWITCH.get().ok_or(BadFilter::NotStarted)?;
    let filter = parse(text)?;
    switch
        .handle
        .reload(filter)
        .map_err(|_| BadFilter::NotStarted)?;
    let mut now = switch.now.lock().unwrap_or_else(PoisonError::into_inner);
    text.trim().clone_into(&mut now);
    tracing::info!(filter = text.trim(), "the filter of the log has changed");
    Ok(())
}

/// Changes the filter at each SIGHUP: to what its file says now, or without one to more details and
/// back.
pub(crate) async fn follow(mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        if let Err(problem) = refilter() {
            tracing::warn!(%problem, "the filter of the log stays as it is");
        }
    }
}

fn refilter() -> Result<(), BadFilter> {
    let switch = SWITCH.get().ok_or(BadFilter::NotStarted)?;
    if let Some(path) = &switch.file {
        return set_filter(&read(path)?);
    }
    let detailed = format!("{},{DETAILS}", switch.first);
    if filter().as_ref() == Some(&detailed) {
        set_filter(&switch.first)
    } else {
        set_filter(&detailed)
    }
}

fn read(path: &str) -> Result<String, BadFilter> {
    let bound = u64::try_from(FILTER_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    File::open(path)?
        .take(bound.saturating_add(1))
        .read_to_string(&mut text)?;
    Ok(text)
}

/// A directive without a level is one: as the name of a module, which it could be too, it would silence
/// everything else.
fn parse(text: &str) -> Result<EnvFilter, BadFilter> {
    let text = text.trim();
    if text.len() > FILTER_BYTES_MAX {
        return Err(BadFilter::TooLong);
    }
    let has_level = |directive: &str| {
        let level = directive.rsplit('=').next().unwrap_or_default().trim();
        !level.is_empty() && level.parse::<LevelFilter>().is_ok()
    };
    if !text.split(',').all(has_level) {
        return Err(BadFilter::Malformed);
    }
    let filter = EnvFilter::try_new(text).map_err(|_| BadFilter::Malformed)?;
    Ok(with_spans(filter))
}

fn with_spans(filter: EnvFilter) -> EnvFilter {
    match SPANS.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// What no filter can switch on is left out.
fn is_harmless(meta: &Metadata<'_>) -> bool {
    let target = meta.target();
    let is_of = |library: &&str| target.starts_with(*library);
    let detailed = *meta.level() > Level::INFO;
    !(target.starts_with(SILENT) || detailed && QUIET.iter().any(is_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes of which targets lines were written.
    struct Written(std::sync::Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let target = event.metadata().target().to_owned();
            self.0.lock().unwrap().push(target);
        }
    }

    #[test]
    fn no_filter_switches_on_what_libraries_say_in_detail() {
        let written = std::sync::Arc::default();
        let loud = "trace,tungstenite::protocol=trace,fred::router=trace,sqlx::query=trace";
        let filter = parse(loud).unwrap().and(filter_fn(is_harmless));
        let lines = Written(std::sync::Arc::clone(&written)).with_filter(filter);
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "tungstenite::protocol", "a frame");
            tracing::debug!(target: "fred::router", "a command");
            tracing::debug!(target: "sqlx::query", "a statement");
            tracing::warn!(target: "sqlx_postgres::options::parse", "a parameter");
            tracing::warn!(target: "sqlx::pool", "harmless");
            tracing::trace!(target: "roomwire_gateway::live", "ours");
        });
        let written = written.lock().unwrap().clone();
        assert_eq!(written, ["sqlx::pool", "roomwire_gateway::live"]);
    }

    #[test]
    fn directives_are_levels_and_modules_with_levels() {
        for good in [
            "info",
            "WARN",
            "off",
            "info,roomwire_gateway=debug",
            " debug ",
            "roomwire_gateway::live=trace",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "debgu",
            "info,chat",
            "a=b=c",
            "info,=",
            "x=loud",
            "x=",
            "x=5,",
        ] {
            assert!(matches!(parse(bad), Err(BadFilter::Malformed)), "{bad}");
        }
        let long = "a=info,".repeat(1_000);
        assert!(matches!(parse(&long), Err(BadFilter::TooLong)));
    }
}
