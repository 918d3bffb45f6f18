//! What a client asks for: the query of the subscribe endpoint, read strictly.
//!
//! Unknown and repeated parameters are refused by name: a misspelt `chanels` would otherwise give a stream that is silent
//! for ever, and two values for one parameter are read differently by every proxy and library on the way.

use std::borrow::Cow;

use actix_web::HttpRequest;
use events_gateway_core::Channel;
use events_gateway_core::cursor::{ChannelSet, CursorError, MAX_CURSOR_BYTES};
use events_gateway_core::filter::{Filter, NamedFilter};
use events_gateway_core::sse::Format;

use super::problem::{Kind, Problem, quote};
use crate::hub::Resume;

/// The text that asks for everything that is retained.
const EARLIEST: &str = "earliest";

/// The format whose events are all a `message`, and say their types themselves.
pub(super) const MESSAGE: &str = "message";

/// What the names of parameters begin with that ask for attributes.
const ATTRIBUTE: &str = "attribute.";

/// What the query and the `Last-Event-ID` header say, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which channels.
    pub channels: ChannelSet,
    /// From where.
    pub resume: Resume,
    /// How events are written.
    pub format: Format,
    /// Whether they bear their types.
    pub named: bool,
    /// By which view; absent: the default one.
    pub view: Option<String>,
    /// Which events; absent: all.
    pub filter: Option<Filter>,
}

impl Asked {
    /// Whatever comes from now on, as it comes.
    #[must_use]
    pub fn live(channels: ChannelSet) -> Self {
        Self { channels, resume: Resume::Live, format: Format::default(), named: true, view: None, filter: None }
    }
}

/// What a request without channels gets, and how many channels one may name.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The channels of a request that names none. `None`: it is refused.
    pub default_channels: Option<ChannelSet>,
    /// Most channels of one stream, at most `MAX_CURSOR_CHANNELS`.
    pub max_channels: usize,
    /// Filters that may be asked for by name.
    pub filters: Vec<NamedFilter>,
    /// Parameters that say who asks, which is [others' business](super::credentials).
    pub credentials: Vec<String>,
}

#[derive(Default)]
struct Parameters<'a> {
    channels: Option<Cow<'a, str>>,
    topics: Option<Cow<'a, str>>,
    last_event_id: Option<Cow<'a, str>>,
    format: Option<Cow<'a, str>>,
    view: Option<Cow<'a, str>>,
    filter: Option<Cow<'a, str>>,
    types: Option<Cow<'a, str>>,
    /// Names of attributes, and what is asked of them.
    attributes: Vec<(String, Cow<'a, str>)>,
    /// Names of those that say who asks.
    credentials: Vec<Cow<'a, str>>,
}

/// Reads the query (without its `?`) and the value of `Last-Event-ID`, if there is one.
///
/// The header wins over the parameter: a browser that reconnects sends the header of what it has seen, to a URL that still
/// holds the cursor of the page's beginning (WHATWG HTML, 9.2.3). An empty value of either counts as absent.
///
/// A cursor that is none resumes live, with a gap that says so. A cursor of *other* channels is refused, if the client
/// named the channels itself: what it asks for can't be told exactly. Behind a changed default it is a gap as well, since a
/// refusal would end a browser's `EventSource` for something that its page never said.
pub fn read(query: &str, last_event_id: Option<&[u8]>, rules: &Rules) -> Result<Asked, Problem> {
    let parameters = Parameters::split(query, &rules.credentials)?;
    let named = match (&parameters.channels, &parameters.topics) {
        (Some(_), Some(_)) => {
            return Err(Kind::ConflictingParameters
                .because("\"topics\" is another name of \"channels\": give one of them")
                .about("topics"));
        }
        (Some(list), None) => Some(("channels", list)),
        (None, Some(list)) => Some(("topics", list)),
        (None, None) => None,
    };
    let channels = match named {
        Some((parameter, list)) => channels(list, rules.max_channels).map_err(|problem| problem.about(parameter))?,
        None => rules
            .default_channels
            .clone()
            .ok_or_else(|| Kind::MissingChannels.because("say which channels: ?channels=a,b").about("channels"))?,
    };
    let asked = parameters.format.as_deref().map(format).transpose()?;
    let (format, bears_types) = asked.unwrap_or((Format::default(), true));
    let filter = filter(&parameters, &rules.filters)?;
    let view = parameters.view.as_deref().map(str::to_owned);
    let header = last_event_id.filter(|value| !value.is_empty()).map(String::from_utf8_lossy);
    let parameter = parameters.last_event_id.filter(|value| !value.is_empty());
    let resume = match header.or(parameter) {
        None => Resume::Live,
        Some(text) => resume(&text, &channels, named.is_some()).map_err(|problem| problem.about("last_event_id"))?,
    };
    Ok(Asked { channels, resume, format, named: bears_types, view, filter })
}

/// A format by its name, and whether events bear their types in an event stream.
pub(super) fn format(name: &str) -> Result<(Format, bool), Problem> {
    if name == MESSAGE {
        return Ok((Format::Envelope, false));
    }
    let known = Format::NAMES.into_iter().find_map(|(known, format)| (known == name).then_some((format, true)));
    known.ok_or_else(|| {
        Kind::InvalidParameter.because("format is one of data, envelope, cloudevents, message").about("format")
    })
}

/// Where a text says that a client stands in these channels, which it named itself or didn't.
pub(super) fn resume(text: &str, channels: &ChannelSet, are_named: bool) -> Result<Resume, Problem> {
    if text == EARLIEST {
        return Ok(Resume::Earliest);
    }
    if are_named && channels.parse(text) == Err(CursorError::OtherChannels) {
        return Err(Kind::CursorOfOtherChannels.because(
            "this cursor was made for another set of channels: subscribe to exactly those, or begin anew without a cursor",
        ));
    }
    // Longer texts are no cursors; one byte too many keeps them so without keeping them whole.
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let end = ends.take_while(|at| *at <= MAX_CURSOR_BYTES + 4).last().unwrap_or_default();
    Ok(Resume::Cursor(text[..end].to_owned()))
}

/// A filter of the configuration.
pub(super) fn named_filter(name: &str, known: &[NamedFilter]) -> Result<NamedFilter, Problem> {
    let unknown = || Kind::InvalidParameter.because(format!("there is no filter \"{}\"", quote(name))).about("filter");
    known.iter().find(|filter| filter.name() == name).cloned().ok_or_else(unknown)
}

/// Refuses every parameter of a resource that has none but perhaps that of a token.
pub(super) fn only(request: &HttpRequest, token: Option<&str>) -> Result<(), Problem> {
    match pairs(request.query_string())?.into_iter().find(|(name, _)| Some(&**name) != token) {
        None => Ok(()),
        Some((name, _)) => {
            let detail = format!("there is no parameter \"{}\" here", quote(&name));
            Err(Kind::UnknownParameter.because(detail).about(&name))
        }
    }
}

/// What `types`, `attribute.NAME` and `filter` ask for together.
fn filter(parameters: &Parameters<'_>, known: &[NamedFilter]) -> Result<Option<Filter>, Problem> {
    let named = parameters.filter.as_ref().map(|name| named_filter(name, known));
    let types = parameters.types.as_deref().map(list).transpose()?.unwrap_or_default();
    let terms = parameters.attributes.iter().map(|(name, values)| Ok((vec![name.clone()], list(values)?)));
    build_filter(types, terms.collect::<Result<_, Problem>>()?, named.transpose()?)
}

/// A filter of these parts; `None` where they let everything pass.
pub(super) fn build_filter(
    types: Vec<String>,
    terms: Vec<(Vec<String>, Vec<String>)>,
    named: Option<NamedFilter>,
) -> Result<Option<Filter>, Problem> {
    let filter = Filter::new(types, terms, named).map_err(|error| Kind::InvalidFilter.because(error.to_string()))?;
    Ok((!filter.is_empty()).then_some(filter))
}

/// The elements of a list: what stands between commas. `\,` is a comma, `\\` a backslash.
pub(super) fn list(text: &str) -> Result<Vec<String>, Problem> {
    let mut elements = vec![String::new()];
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        let char = match char {
            ',' => {
                elements.push(String::new());
                continue;
            }
            '\\' => rest
                .next()
                .filter(|escaped| matches!(escaped, ',' | '\\'))
                .ok_or_else(|| Kind::InvalidFilter.because("in a list \\ stands before a comma or another \\ only"))?,
            char => char,
        };
        if let Some(last) = elements.last_mut() {
            last.push(char);
        }
    }
    Ok(elements)
}

/// A parameter's name and value, decoded.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of a query; what can't be decoded is refused.
pub(super) fn pairs(query: &str) -> Result<Vec<Pair<'_>>, Problem> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| {
                Kind::UnknownParameter.because("a parameter's name is not percent-encoded UTF-8").about(name)
            })?;
            let value = decode(value)
                .ok_or_else(|| Kind::InvalidParameter.because("the value is not percent-encoded UTF-8").about(&name))?;
            Ok((name, value))
        })
        .collect()
}

impl<'a> Parameters<'a> {
    fn split(query: &'a str, credentials: &[String]) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for (name, value) in pairs(query)? {
            let slot = match &*name {
                "channels" => &mut parameters.channels,
                "topics" => &mut parameters.topics,
                "last_event_id" => &mut parameters.last_event_id,
                "format" => &mut parameters.format,
                "view" => &mut parameters.view,
                "filter" => &mut parameters.filter,
                "types" => &mut parameters.types,
                of_attribute if of_attribute.starts_with(ATTRIBUTE) => {
                    let attribute = &of_attribute[ATTRIBUTE.len()..];
                    if parameters.attributes.iter().any(|(known, _)| known == attribute) {
                        return Err(Kind::RepeatedParameter
                            .because(format!("\"{}\" is given twice", quote(&name)))
                            .about(&name));
                    }
                    parameters.attributes.push((attribute.to_owned(), value));
                    continue;
                }
                known if credentials.iter().any(|one| one == known) => {
                    if parameters.credentials.contains(&name) {
                        return Err(Kind::RepeatedParameter.because(format!("\"{name}\" is given twice")).about(&name));
                    }
                    parameters.credentials.push(name);
                    continue;
                }
                _ => {
                    return Err(Kind::UnknownParameter
                        .because(format!(
                            "there is no parameter \"{}\": the parameters are channels (or topics), last_event_id, \
                             format, view, filter, types and attribute.NAME",
                            quote(&name)
                        ))
                        .about(&name));
                }
            };
            if slot.is_some() {
                return Err(Kind::RepeatedParameter.because(format!("\"{name}\" is given twice")).about(&name));
            }
            *slot = Some(value);
        }
        Ok(parameters)
    }
}

fn channels(list: &str, most: usize) -> Result<ChannelSet, Problem> {
    if list.is_empty() {
        return Err(Kind::MissingChannels.because("the list of channels is empty"));
    }
    let mut channels = Vec::new();
    for (index, name) in list.split(',').enumerate() {
        let channel = Channel::parse(name)
            .map_err(|error| Kind::InvalidChannel.because(format!("\"{}\": {error}", quote(name))))?;
        // Named twice is counted twice, as the description of the parameter has to. Also bounds the work that a long list makes.
        if index >= most {
            return Err(too_many(most));
        }
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    ChannelSet::new(channels).map_err(|_| too_many(most))
}

fn too_many(most: usize) -> Problem {
    Kind::TooManyChannels.because(format!("a stream has at most {most} channels: open a second stream"))
}

/// A segment of a path, percent-decoded (RFC 3986, 2.1); `None` where that is no UTF-8.
pub(super) fn segment(text: &str) -> Option<String> {
    // A plus is only in a query a space.
    decode(&text.replace('+', "%2B")).map(Cow::into_owned)
}

/// `application/x-www-form-urlencoded` (WHATWG URL, 5.1), but what is no escape or no UTF-8 is refused, not guessed.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use events_gateway_core::Position;
    use events_gateway_core::cursor::Mark;
    use proptest::prelude::*;

    fn set(names: &[&str]) -> ChannelSet {
        ChannelSet::new(names.iter().map(|name| Channel::parse(name).unwrap())).unwrap()
    }

    fn rules() -> Rules {
        Rules { default_channels: None, max_channels: 12, filters: Vec::new(), credentials: Vec::new() }
    }

    fn refused(query: &str) -> (Kind, Option<String>) {
        let problem = read(query, None, &rules()).unwrap_err();
        (problem.kind, problem.parameter)
    }

    #[test]
    fn channels_may_be_called_topics_but_not_both() {
        for query in ["channels=b,a", "topics=a,b", "topics=a%2Cb", "&channels=a,b,a&"] {
            assert_eq!(read(query, None, &rules()).unwrap().channels, set(&["a", "b"]), "{query}");
        }
        assert_eq!(refused("channels=a&topics=a"), (Kind::ConflictingParameters, Some("topics".into())));
    }

    fn filter_of(query: &str) -> Result<Option<Filter>, Kind> {
        let rules = Rules { filters: vec![NamedFilter::parse("dear", "data.total > 100").unwrap()], ..rules() };
        read(&format!("channels=a&{query}"), None, &rules).map(|asked| asked.filter).map_err(|problem| problem.kind)
    }

    #[test]
    fn types_attributes_and_a_filter_of_the_configuration_are_asked_for_together() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let dear = NamedFilter::parse("dear", "true").unwrap();
        let terms = vec![(texts(&["region"]), texts(&["eu", "a,b\\c"]))];
        let whole = Filter::new(texts(&["order.*", "paid"]), terms, Some(dear)).unwrap();
        for query in [
            "types=order.*,paid&attribute.region=eu,a\\,b\\\\c&filter=dear",
            "filter=dear&attribute.region=a%5C%2Cb%5C%5Cc,eu&types=paid%2Corder.%2A",
        ] {
            assert_eq!(filter_of(query), Ok(Some(whole.clone())), "{query}");
        }
        assert_eq!(filter_of(""), Ok(None));
        for (query, kind) in [
            ("types=", Kind::InvalidFilter),
            ("types=a,,b", Kind::InvalidFilter),
            ("types=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", Kind::InvalidFilter),
            ("attribute.a=", Kind::InvalidFilter),
            ("types=a\\", Kind::InvalidFilter),
            ("attribute.a=\\b", Kind::InvalidFilter),
            ("attribute.a=1&attribute.a=2", Kind::RepeatedParameter),
            ("filter=cheap", Kind::InvalidParameter),
            ("types=a&types=b", Kind::RepeatedParameter),
        ] {
            assert_eq!(filter_of(query), Err(kind), "{query}");
        }
    }

    #[test]
    fn unknown_repeated_and_unreadable_parameters_are_refused_by_name() {
        assert_eq!(refused("chanels=a"), (Kind::UnknownParameter, Some("chanels".into())));
        assert_eq!(refused("channels=a&x"), (Kind::UnknownParameter, Some("x".into())));
        assert_eq!(refused("channels=a&channels=b"), (Kind::RepeatedParameter, Some("channels".into())));
        assert_eq!(refused("channels=a&c%68annels=b"), (Kind::RepeatedParameter, Some("channels".into())));
        assert_eq!(refused("channels=%ff"), (Kind::InvalidParameter, Some("channels".into())));
        assert_eq!(refused("channels=%4"), (Kind::InvalidParameter, Some("channels".into())));
        assert_eq!(refused("channels=a&format=xml"), (Kind::InvalidParameter, Some("format".into())));
    }

    #[test]
    fn channels_are_well_formed_at_least_one_and_at_most_twelve() {
        assert_eq!(refused(""), (Kind::MissingChannels, Some("channels".into())));
        assert_eq!(refused("channels="), (Kind::MissingChannels, Some("channels".into())));
        assert_eq!(refused("topics=a b"), (Kind::InvalidChannel, Some("topics".into())));
        assert_eq!(refused("channels=a,,b"), (Kind::InvalidChannel, Some("channels".into())));
        let thirteen: Vec<_> = (0..13).map(|n| n.to_string()).collect();
        assert_eq!(
            refused(&format!("channels={}", thirteen.join(","))),
            (Kind::TooManyChannels, Some("channels".into()))
        );
        assert!(read(&format!("channels={}", thirteen[..12].join(",")), None, &rules()).is_ok());
        assert_eq!(refused(&format!("channels={}", ["a"; 13].join(","))).0, Kind::TooManyChannels);
    }

    #[test]
    fn the_header_wins_over_the_parameter() {
        let ask = |query: &str, header: Option<&[u8]>| read(query, header, &rules()).unwrap().resume;
        let (old, new) = (set(&["a"]).cursor(&[Mark::At(Position(1))]), set(&["a"]).cursor(&[Mark::At(Position(2))]));
        let query = format!("channels=a&last_event_id={old}");
        assert_eq!(ask(&query, Some(new.as_bytes())), Resume::Cursor(new));
        assert_eq!(ask(&query, Some(b"")), Resume::Cursor(old));
        assert_eq!(ask("channels=a", None), Resume::Live);
        assert_eq!(ask("channels=a&last_event_id=", None), Resume::Live);
        assert_eq!(ask("channels=a&last_event_id=earliest", None), Resume::Earliest);
        assert_eq!(ask("channels=a", Some(b"earliest")), Resume::Earliest);
        assert_eq!(ask("channels=a", Some(b"\xff")), Resume::Cursor("\u{fffd}".into()));
    }

    #[test]
    fn a_cursor_of_other_channels_is_refused_unless_the_channels_are_the_default() {
        let cursor = set(&["a"]).cursor(&[Mark::At(Position(7))]);
        assert_eq!(
            refused(&format!("channels=a,b&last_event_id={cursor}")),
            (Kind::CursorOfOtherChannels, Some("last_event_id".into()))
        );
        let rules = Rules {
            default_channels: Some(set(&["all"])),
            max_channels: 12,
            filters: Vec::new(),
            credentials: Vec::new(),
        };
        let asked = read("", Some(cursor.as_bytes()), &rules).unwrap();
        assert_eq!(asked.resume, Resume::Cursor(cursor));
        assert_eq!(asked.channels, set(&["all"]));
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in any::<String>(), header in any::<Vec<u8>>()) {
            let _ = read(&query, Some(&header), &rules());
        }

        #[test]
        fn any_cursor_text_is_kept_bounded(header in "[a-zé]{0,400}") {
            match read("channels=a", Some(header.as_bytes()), &rules()).unwrap().resume {
                Resume::Cursor(text) => {
                    prop_assert!(header.starts_with(&text) && text.len() <= MAX_CURSOR_BYTES + 4);
                    prop_assert!(text == header || text.len() > MAX_CURSOR_BYTES);
                }
                other => prop_assert!(other == Resume::Live && header.is_empty() || header == EARLIEST),
            }
        }

        #[test]
        fn what_was_encoded_is_decoded(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&encoded).unwrap(), text);
        }
    }
}
