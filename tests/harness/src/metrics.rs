//! Metrics, read from Prometheus' text format.

/// The sum of a metric's series whose labels contain all of these, such as `reason="epoch"`.
#[must_use]
pub fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    text.lines()
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let rest = series.strip_prefix(name)?;
            let whole = rest.is_empty() || rest.starts_with('{');
            (whole && labels.iter().all(|label| rest.contains(label))).then(|| value.parse::<f64>().ok())?
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_the_series_that_fit() {
        let text =
            "# HELP gaps x\ngaps{reason=\"epoch\",replica=\"a\"} 2\ngaps{reason=\"trimmed\"} 3\ngaps_total 7\nup 1\n";
        assert!((sum(text, "gaps", &[]) - 5.0).abs() < f64::EPSILON);
        assert!((sum(text, "gaps", &["reason=\"epoch\""]) - 2.0).abs() < f64::EPSILON);
        assert!((sum(text, "up", &[]) - 1.0).abs() < f64::EPSILON);
    }
}
