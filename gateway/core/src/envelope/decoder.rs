//! From a record to its envelope, or to the reason why it has none.

use super::{Command, Draft, Envelope, Format, Reason, Rejection, cloudevents, format, plain};
use crate::record::Record;
use crate::route::{Input, Problem, Route, RouteSpec};

/// Decodes the records of one binding. Built once, shared by all its partitions; a decode touches nothing but its record.
#[derive(Debug)]
pub struct Decoder {
    pub(crate) routes: Vec<Route>,
    max_record_bytes: usize,
}

/// Most routes of a binding: their conditions are tried in turn.
pub const MAX_ROUTES: usize = 64;

impl Decoder {
    /// Proves the routes of a binding, and reports all their problems at once. Without routes the default formats are
    /// read: CloudEvents where the headers say so, else the gateway's JSON envelope. With routes, they alone decide, in
    /// their order. `max_record_bytes` bounds key, value and headers together.
    pub fn build(routes: &[RouteSpec], max_record_bytes: usize) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if routes.len() > MAX_ROUTES {
            problems.push(Problem::new(MAX_ROUTES, "", format!("at most {MAX_ROUTES} routes, found {}", routes.len())));
        }
        let mut proven = Vec::with_capacity(routes.len());
        for (index, spec) in routes.iter().enumerate() {
            if let Some(twin) = routes[..index].iter().position(|other| other.name == spec.name) {
                problems.push(Problem::new(index, "name", format!("route {twin} has the same name")));
            }
            proven.extend(Route::build(index, spec, &mut problems));
        }
        if problems.is_empty() { Ok(Self { routes: proven, max_record_bytes }) } else { Err(problems) }
    }

    /// Decodes a record of a topic that is bound as events.
    pub fn decode(&self, record: &Record<'_>) -> Result<Envelope, Rejection> {
        self.draft(record)?.into_envelope(record)
    }

    /// Decodes a record of a topic that is bound as commands: the same formats and routes, whose type must be
    /// `disconnect` or `connect`. A disconnect closes what was opened before the *record's* time; a time that the
    /// publisher wrote is not looked at, nor are data, id, key and attributes.
    pub fn command(&self, record: &Record<'_>) -> Result<Command, Rejection> {
        self.draft(record)?.into_command(record)
    }

    /// Refuses what is larger than the bound, before anything of it is read.
    pub(crate) fn check_size(&self, record: &Record<'_>) -> Result<(), Rejection> {
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + headers;
        if bytes > self.max_record_bytes {
            return Err(Rejection::new(
                Reason::Oversized,
                format!(
                    "the record has {bytes} bytes of key, value and headers; at most {} are taken",
                    self.max_record_bytes
                ),
            ));
        }
        Ok(())
    }

    fn draft<'t, 'a: 't>(&'t self, record: &Record<'a>) -> Result<Draft<'t>, Rejection> {
        self.check_size(record)?;
        if self.routes.is_empty() {
            return standard(Format::recognise(record)?.0, record);
        }
        let input = Input::new(*record);
        for route in &self.routes {
            if route.holds(&input)? {
                return route.draft(&input);
            }
        }
        Err(no_route())
    }
}

/// Reads a record in one of the formats that need no route.
pub(crate) fn standard<'a>(format: Format, record: &Record<'a>) -> Result<Draft<'a>, Rejection> {
    if format == Format::CloudEventBinary {
        return cloudevents::binary(record);
    }
    let text = format::text(record)?.ok_or_else(|| {
        Rejection::undecodable(
            "value: expected a JSON object, found none (a tombstone); a route can read records without value",
        )
    })?;
    if format == Format::CloudEventStructured { cloudevents::structured(text) } else { plain::read(text) }
}

pub(crate) fn no_route() -> Rejection {
    Rejection::unroutable("routes: no route's condition holds for this record")
}
