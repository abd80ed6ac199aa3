//! Where traces go, by the variables that OpenTelemetry has for it.
//!
//! What is not here (headers, timeout, compression, the exporter's queue, limits of spans, resource
//! attributes) is read by the exporter from the environment, as its specification says.

use std::str::FromStr;

use super::Problems;
use crate::telemetry::Destination;

/// Path of the collector's HTTP endpoint, behind the address that all signals share.
const HTTP_PATH: &str = "v1/traces";
const SCHEMES: [&str; 2] = ["http", "https"];

// What holds where a variable is unset or empty.
const PROTOCOL: &str = "http/protobuf";
const SAMPLER: &str = "parentbased_always_on";
const SAMPLER_ARG: &str = "1";
const SERVICE: &str = "roomwire-gateway";
const EXPORTER: &str = "otlp";

/// Where traces go.
#[expect(
    clippy::struct_field_names,
    reason = "named as their flags and variables are"
)]
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Traces")]
pub(crate) struct TracesArgs {
    /// Collector that spans are sent to, as in <http://collector:4318>; unset: no traces.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otel_exporter_otlp_endpoint: Option<String>,
    /// The same for traces alone; over HTTP the whole URL, its path included.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")]
    otel_exporter_otlp_traces_endpoint: Option<String>,
    /// `http/protobuf` (mostly port 4318) or `grpc` (mostly port 4317).
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", default_value = PROTOCOL)]
    otel_exporter_otlp_protocol: String,
    /// The same for traces alone.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")]
    otel_exporter_otlp_traces_protocol: Option<String>,
    /// Which traces are kept: `always_on`, `always_off`, `traceidratio`, or one of them behind
    /// `parentbased_`, which keeps what the caller keeps.
    #[arg(long, env = "OTEL_TRACES_SAMPLER", default_value = SAMPLER)]
    otel_traces_sampler: String,
    /// Which part of the traces `traceidratio` keeps, from 0 to 1.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = SAMPLER_ARG)]
    otel_traces_sampler_arg: String,
    /// Name of this service in its traces.
    #[arg(long, env = "OTEL_SERVICE_NAME", default_value = SERVICE)]
    otel_service_name: String,
    /// `otlp`, or `none` for no traces whatever else is set.
    #[arg(long, env = "OTEL_TRACES_EXPORTER", default_value = EXPORTER)]
    otel_traces_exporter: String,
    /// `true` for no traces whatever else is set.
    #[arg(long, env = "OTEL_SDK_DISABLED", default_value = "false")]
    otel_sdk_disabled: String,
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Grpc,
    Http,
}

/// Which traces are kept.
struct Sampler {
    parent_based: bool,
    ratio: f64,
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::Http),
            _ => Err(()),
        }
    }
}

impl TracesArgs {
    /// `None` for no traces, and for what cannot be read. An empty variable counts as unset, as the
    /// specification of these variables says.
    pub(super) fn resolve(mut self, problems: &mut Problems) -> Option<Destination> {
        for (value, default) in [
            (&mut self.otel_exporter_otlp_protocol, PROTOCOL),
            (&mut self.otel_traces_sampler, SAMPLER),
            (&mut self.otel_traces_sampler_arg, SAMPLER_ARG),
            (&mut self.otel_service_name, SERVICE),
            (&mut self.otel_traces_exporter, EXPORTER),
        ] {
            if value.is_empty() {
                default.clone_into(value);
            }
        }
        let sampler = sampler(
            problems,
            &self.otel_traces_sampler,
            &self.otel_traces_sampler_arg,
        );
        let own = self.otel_exporter_otlp_traces_protocol;
        let (variable, protocol) = match own.filter(|protocol| !protocol.is_empty()) {
            Some(own) => ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", own),
            None => (
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                self.otel_exporter_otlp_protocol,
            ),
        };
        let protocol = problems.parse(variable, &protocol, "grpc or http/protobuf");
        if !["otlp", "none"].contains(&self.otel_traces_exporter.as_str()) {
            problems.add("OTEL_TRACES_EXPORTER", "expected otlp or none");
        }
        let endpoint = endpoint(
            problems,
            self.otel_exporter_otlp_traces_endpoint,
            (self.otel_exporter_otlp_endpoint, protocol),
        );
        let off = self.otel_traces_exporter == "none"
            || self.otel_sdk_disabled.eq_ignore_ascii_case("true");
        let Sampler {
            parent_based,
            ratio,
        } = sampler?;
        Some(Destination {
            endpoint: endpoint.filter(|_| !off)?,
            grpc: protocol? == Protocol::Grpc,
            parent_based,
            ratio,
            service: self.otel_service_name,
        })
    }
}

fn sampler(problems: &mut Problems, name: &str, argument: &str) -> Option<Sampler> {
    let (parent_based, kind) = match name.strip_prefix("parentbased_") {
        Some(kind) => (true, kind),
        None => (false, name),
    };
    let expected = "a number from 0 to 1";
    let ratio: f64 = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => problems.parse("OTEL_TRACES_SAMPLER_ARG", argument, expected)?,
        _ => {
            problems.add(
                "OTEL_TRACES_SAMPLER",
                "expected always_on, always_off or traceidratio, perhaps behind parentbased_",
            );
            return None;
        }
    };
    if !(0.0..=1.0).contains(&ratio) {
        problems.add(
            "OTEL_TRACES_SAMPLER_ARG",
            format_args!("expected {expected}"),
        );
        return None;
    }
    Some(Sampler {
        parent_based,
        ratio,
    })
}

/// The URL to send to. One that all signals share gets the path of traces, over HTTP.
fn endpoint(
    problems: &mut Problems,
    own: Option<String>,
    (shared, protocol): (Option<String>, Option<Protocol>),
) -> Option<String> {
    let given = |url: &String| !url.is_empty();
    let (variable, url) = match (own.filter(given), shared.filter(given)) {
        (Some(own), _) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own),
        (None, Some(shared)) if protocol == Some(Protocol::Grpc) => {
            ("OTEL_EXPORTER_OTLP_ENDPOINT", shared)
        }
        (None, Some(shared)) => {
            let url = format!("{}/{HTTP_PATH}", shared.trim_end_matches('/'));
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        }
        (None, None) => return None,
    };
    problems.check_url(variable, Some(&url.clone().into()), &SCHEMES);
    Some(url)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn resolved(flags: &[&str]) -> Result<Option<Destination>, Problems> {
        let command = TracesArgs::augment_args(Command::new("serve"));
        let matches = command.get_matches_from([&["serve"], flags].concat());
        let args = TracesArgs::from_arg_matches(&matches).unwrap();
        let mut problems = Problems::default();
        let resolved = args.resolve(&mut problems);
        if problems.is_empty() {
            Ok(resolved)
        } else {
            Err(problems)
        }
    }

    const SHARED: &str = "--otel-exporter-otlp-endpoint=http://collector:4318/";

    #[test]
    fn without_a_collector_there_are_no_traces() {
        assert!(resolved(&[]).unwrap().is_none());
        assert!(
            resolved(&[SHARED, "--otel-sdk-disabled=TRUE"])
                .unwrap()
                .is_none()
        );
        assert!(
            resolved(&[SHARED, "--otel-traces-exporter=none"])
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_is_empty_counts_as_unset() {
        let flags = [
            SHARED,
            "--otel-exporter-otlp-traces-endpoint=",
            "--otel-exporter-otlp-protocol=",
            "--otel-exporter-otlp-traces-protocol=",
            "--otel-traces-sampler=",
            "--otel-traces-sampler-arg=",
            "--otel-service-name=",
            "--otel-traces-exporter=",
            "--otel-sdk-disabled=",
        ];
        let empty = resolved(&flags).unwrap().unwrap();
        let unset = resolved(&[SHARED]).unwrap().unwrap();
        assert_eq!(format!("{empty:?}"), format!("{unset:?}"));
    }

    #[test]
    fn the_path_of_traces_is_added_to_what_signals_share_over_http_only() {
        let http = resolved(&[SHARED]).unwrap().unwrap();
        assert_eq!(http.endpoint, "http://collector:4318/v1/traces");
        assert!(!http.grpc);
        let grpc = resolved(&[
            "--otel-exporter-otlp-endpoint=http://collector:4317",
            "--otel-exporter-otlp-protocol=grpc",
        ]);
        let grpc = grpc.unwrap().unwrap();
        assert!(grpc.grpc && grpc.endpoint == "http://collector:4317");
        let own = resolved(&[
            SHARED,
            "--otel-exporter-otlp-traces-endpoint=https://other/spans",
        ]);
        assert_eq!(own.unwrap().unwrap().endpoint, "https://other/spans");
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_name() {
        for (flag, variable) in [
            ("--otel-traces-sampler=often", "OTEL_TRACES_SAMPLER"),
            (
                "--otel-exporter-otlp-protocol=http/json",
                "OTEL_EXPORTER_OTLP_PROTOCOL",
            ),
            (
                "--otel-exporter-otlp-endpoint=collector",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
            ),
            ("--otel-traces-exporter=zipkin", "OTEL_TRACES_EXPORTER"),
        ] {
            let problems = resolved(&[flag]).unwrap_err().to_string();
            assert!(problems.contains(variable), "{problems}");
        }
        for ratio in ["2", "-0.1", "much", "NaN"] {
            let ratio = format!("--otel-traces-sampler-arg={ratio}");
            let flags = ["--otel-traces-sampler=traceidratio", &ratio];
            let problems = resolved(&flags).unwrap_err().to_string();
            assert!(problems.contains("OTEL_TRACES_SAMPLER_ARG"), "{problems}");
        }
    }

    #[test]
    fn a_sampler_keeps_its_part_and_may_follow_its_caller() {
        let flags = [
            SHARED,
            "--otel-traces-sampler=parentbased_traceidratio",
            "--otel-traces-sampler-arg=0.01",
        ];
        let sampler = resolved(&flags).unwrap().unwrap();
        assert!(sampler.parent_based && (sampler.ratio - 0.01).abs() < 1e-9);
        let flags = [SHARED, "--otel-traces-sampler=always_off"];
        let sampler = resolved(&flags).unwrap().unwrap();
        assert!(!sampler.parent_based && sampler.ratio == 0.0);
    }
}
