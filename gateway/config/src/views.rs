//! Views and named filters.

use std::sync::Arc;

use events_gateway_core::filter::NamedFilter;
use events_gateway_core::view::{View, ViewSpec};
use events_gateway_crds as raw;

use super::problem::{Place, Problems};
use super::text;

/// Proves the views; at the same index as in the file.
pub(super) fn prove(raw: &[raw::views::View], place: &Place, problems: &mut Problems) -> Option<Vec<Arc<View>>> {
    text::distinct(
        raw.iter().enumerate().map(|(index, view)| (place.index(index).key("name"), &*view.name)),
        "the name",
        problems,
    );
    let proven = raw.iter().enumerate().map(|(index, view)| match View::build(&spec(view), index) {
        Ok(view) => Some(Arc::new(view)),
        Err(wrong) => {
            for problem in wrong {
                problems.add(within(place.index(index), &problem.path), problem.message);
            }
            None
        }
    });
    proven.collect::<Vec<_>>().into_iter().collect()
}

/// The place of a path such as `rename[1].from`.
fn within(place: Place, path: &str) -> Place {
    path.split('.').fold(place, |place, part| match part.split_once('[') {
        None => place.key(part),
        Some((key, index)) => {
            let place = place.key(key);
            index.trim_end_matches(']').parse().map_or_else(|_| place.clone(), |index| place.index(index))
        }
    })
}

fn spec(raw: &raw::views::View) -> ViewSpec {
    ViewSpec {
        name: raw.name.0.clone(),
        keep: raw.keep.iter().map(|pointer| pointer.0.clone()).collect(),
        drop: raw.drop.iter().map(|pointer| pointer.0.clone()).collect(),
        rename: raw.rename.iter().map(|rename| (rename.from.0.clone(), rename.to.0.clone())).collect(),
        compute: raw.compute.iter().map(|compute| (compute.to.0.clone(), compute.value.0.clone())).collect(),
        attributes: raw.attributes.as_ref().map(|names| names.iter().map(|name| name.0.clone()).collect()),
        tells_failures: raw.on_failure == raw::views::OnFailure::Tell,
    }
}

/// Proves the named filters.
pub(super) fn prove_filters(
    raw: &[raw::filters::Filter],
    place: &Place,
    problems: &mut Problems,
) -> Option<Vec<NamedFilter>> {
    text::distinct(
        raw.iter().enumerate().map(|(index, filter)| (place.index(index).key("name"), &*filter.name)),
        "the name",
        problems,
    );
    let proven = raw.iter().enumerate().map(|(index, filter)| {
        problems.take(place.index(index).key("when"), NamedFilter::parse(&filter.name, &filter.when))
    });
    proven.collect::<Vec<_>>().into_iter().collect()
}
