//! `dev`: everything in one process, on this machine only.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web;

use super::run::{in_runtime, log};
use super::{failed, tell};
use crate::config;
use crate::config::Config;
use crate::config::kafka::Kind;
use crate::console::{self, Console, Types};
use crate::dev::{Banner, Kafka, Publisher, Sample, sample};
use crate::gateway::Gateway;
use crate::http::public::Extra;

/// Partitions of each topic of the built-in Kafka: enough to see that several are read side by side.
const PARTITIONS: i32 = 4;

/// Sample events in a second, unless the page sets another pace.
const SAMPLES_PER_SECOND: u32 = 2;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keeps events in memory and brings a stand-in of Kafka: nothing outlasts the process, nothing but this machine reaches it.
Variables EVENTS_GATEWAY__SECTION__KEY override its configuration, as with run.

Examples:
  events-gateway dev
  events-gateway dev --port 9000 --no-sample")]
pub(super) struct Options {
    /// Where the page and the streams are served, on this machine; 0 takes any free port.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Where operators look, on this machine; 0 takes any free port.
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,
    /// No sample traffic until the page asks for it.
    #[arg(long)]
    no_sample: bool,
}

pub(super) fn dev(options: &Options) -> ExitCode {
    let mut environment = config::environment();
    let ports = [("EVENTS_GATEWAY__LISTEN__PORT", options.port), ("EVENTS_GATEWAY__ADMIN__PORT", options.admin_port)];
    for (variable, port) in ports {
        if let Some(port) = port {
            environment.insert(variable.to_owned(), port.to_string());
        }
    }
    let dev_config = |bootstrap: &str| config::dev::config(bootstrap, &environment);
    // Which topics there have to be says the configuration, before there is a Kafka to name in it.
    let planned = match dev_config("127.0.0.1:9092") {
        Ok(planned) => planned,
        Err(problems) => return tell(&"the configuration of dev", &problems),
    };
    let topics = topics(&planned);
    let kafka = match Kafka::start(&topics.iter().map(|topic| (topic.as_str(), PARTITIONS)).collect::<Vec<_>>()) {
        Ok(kafka) => kafka,
        Err(error) => return failed(&error),
    };
    let config = match dev_config(kafka.bootstrap()) {
        Ok(config) => config,
        Err(problems) => return tell(&"the configuration of dev", &problems),
    };
    if let Err(error) = log(&config) {
        return failed(&error);
    }
    let Some(topic) = topic_of(&config, Kind::Events) else {
        eprintln!("kafka.bindings: dev needs one that reads events");
        return ExitCode::from(super::exit::CONFIGURATION);
    };
    let address = kafka.address().to_owned();
    let publisher = Arc::new(Publisher::new(kafka, &topic, config.kafka.max_record_bytes.get()));
    let sample = Arc::new(Sample::new(if options.no_sample { 0 } else { SAMPLES_PER_SECOND }));
    in_runtime(async move {
        let (page_publisher, page_sample) = (publisher.clone(), sample.clone());
        let page = config.clone();
        let extra = Box::new(move |admin: SocketAddr| {
            let console = web::Data::new(Console {
                path_prefix: page.listen.path_prefix.clone(),
                admin_url: format!("http://{admin}"),
                commands: topic_of(&page, Kind::Commands),
                publisher: page_publisher,
                sample: page_sample,
                types: Arc::new(Types::default()),
            });
            Arc::new(move |services: &mut web::ServiceConfig| console::configure(services, console.clone())) as Extra
        });
        let gateway = Gateway::start(&config, Some(extra)).await?;
        tokio::spawn(sample::run(publisher, sample));
        let banner = Banner {
            url: &format!("http://{}", gateway.public),
            path_prefix: &config.listen.path_prefix,
            admin_url: &format!("http://{}", gateway.admin),
            kafka: &address,
            topic: &topic,
        };
        println!("{banner}");
        gateway.run().await
    })
}

fn topics(config: &Config) -> Vec<String> {
    let mut topics: Vec<String> = config.kafka.bindings.iter().flat_map(|binding| binding.topics.clone()).collect();
    topics.extend(config.kafka.dead_letters.clone());
    topics
}

fn topic_of(config: &Config, kind: Kind) -> Option<String> {
    config.kafka.bindings.iter().find(|binding| binding.kind == kind).map(|binding| binding.topics[0].clone())
}
