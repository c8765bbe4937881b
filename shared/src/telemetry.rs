//! Logs, traces and metrics: JSON lines on standard output, W3C trace context, OTLP when an endpoint is configured.

pub mod metrics;
pub mod trace;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// The `[telemetry]` section of every service.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Which events are logged, in `tracing`'s filter syntax: `info`, `info,gateway=debug`.
    #[serde(deserialize_with = "log_filter")]
    pub log: String,
    /// `json` for machines, `text` for people.
    pub format: Format,
    /// Base URL of an OTLP collector over HTTP, such as `http://127.0.0.1:4318`; empty: traces go nowhere and cost nothing.
    #[serde(deserialize_with = "collector")]
    pub otlp_endpoint: String,
}

/// Parsed here only to be refused with the other mistakes of the configuration, not later and alone.
fn log_filter<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match EnvFilter::builder().parse(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(D::Error::custom(format!("`{text}` is no log filter, such as `info` or `info,gateway=debug`"))),
    }
}

fn collector<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let sound = reqwest::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if text.is_empty() || sound {
        return Ok(text);
    }
    Err(D::Error::custom(format!("`{text}` is no URL of a collector, such as `http://127.0.0.1:4318`")))
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// Plain text.
    Text,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter does not parse.
    #[error("telemetry.log: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The collector's exporter could not be built.
    #[error("telemetry.otlp_endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// A subscriber is there already.
    #[error(transparent)]
    AlreadyStarted(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps the exporter alive; dropping it sends what is still queued.
#[must_use = "dropping it ends the export of traces"]
#[derive(Debug)]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
    level: LogLevel,
}

impl Guard {
    /// What is logged, to be changed while the process runs.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level.clone()
    }
}

/// Which events are logged. Clones are the same; the default is that of a process that has not started logging.
#[derive(Clone, Debug, Default)]
pub struct LogLevel(Option<reload::Handle<EnvFilter, Registry>>);

/// Text that is no log filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no log filter, such as `info` or `info,gateway=debug`")]
pub struct InvalidFilter;

impl LogLevel {
    /// The filter, as it is in force.
    #[must_use]
    pub fn get(&self) -> String {
        self.0.as_ref().and_then(|handle| handle.with_current(ToString::to_string).ok()).unwrap_or_default()
    }

    /// Puts another filter in force.
    ///
    /// # Errors
    /// [`InvalidFilter`]; the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), InvalidFilter> {
        let filter = EnvFilter::builder().parse(filter).map_err(|_| InvalidFilter)?;
        self.0.as_ref().map_or(Ok(()), |handle| handle.reload(filter).map_err(|_| InvalidFilter))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}

/// Starts logging and, when configured, the export of traces. Once per process, first thing in `main`.
pub fn init(service: &'static str, config: &TelemetryConfig) -> Result<Guard, TelemetryError> {
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse(&config.log)?);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        Format::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).with_filter(filter).boxed(),
        Format::Text => tracing_subscriber::fmt::layer().with_filter(filter).boxed(),
    };
    let provider = exporter(service, &config.otlp_endpoint)?;
    let spans = provider.as_ref().map(|provider| {
        trace::switch_on();
        tracing_opentelemetry::layer().with_tracer(provider.tracer(service))
    });
    tracing_subscriber::registry().with(lines).with(spans).try_init()?;
    Ok(Guard { provider, level: LogLevel(Some(handle)) })
}

fn exporter(service: &'static str, endpoint: &str) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    if endpoint.is_empty() {
        return Ok(None);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()?;
    let resource = Resource::builder().with_service_name(service).build();
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &str, otlp_endpoint: &str) -> Result<TelemetryConfig, serde_json::Error> {
        serde_json::from_value(serde_json::json!({"log": log, "format": "json", "otlp_endpoint": otlp_endpoint}))
    }

    #[test]
    fn filters_and_endpoints_that_would_not_start_are_no_configuration() {
        for (log, endpoint) in
            [("info", ""), ("info,gateway=debug", "http://127.0.0.1:4318"), ("off", "https://otlp.example/x")]
        {
            assert!(read(log, endpoint).is_ok(), "{log} {endpoint}");
        }
        for (log, endpoint) in
            [("info,,==", ""), ("gateway=loudly", ""), ("info", "foo"), ("info", "tcp://x:1"), ("info", "http://")]
        {
            assert!(read(log, endpoint).is_err(), "{log} {endpoint}");
        }
    }
}
