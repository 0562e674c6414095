//! Instruments: declared once, in [`instruments!`](crate::instruments), with all that the page of metrics and the tests want to know.

use std::sync::{Arc, OnceLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics as otel;

use super::exemplar::Reservoir;
use super::text;

/// What is known of an instrument before anything is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The crate that records it.
    pub meter: &'static str,
    /// Its name in OpenTelemetry: `db.client.operation.duration`.
    pub name: &'static str,
    /// Its unit in UCUM: `s`, `By`, `{row}`.
    pub unit: &'static str,
    /// What it measures, in one sentence.
    pub about: &'static str,
    /// The attributes that its measurements can have.
    pub labels: &'static [&'static str],
    /// The upper bounds of a histogram's buckets; the last one, without a bound, is not among them.
    pub boundaries: &'static [f64],
}

impl Description {
    fn meter(&self) -> otel::Meter {
        super::meter(self.meter)
    }

    fn describe<'a, T>(&self, builder: otel::InstrumentBuilder<'a, T>) -> otel::InstrumentBuilder<'a, T> {
        builder.with_unit(self.unit).with_description(self.about)
    }

    /// In tests, these attributes must be those that are told of.
    fn assert_knows(&self, attributes: &[KeyValue]) {
        let mut keys = attributes.iter().map(|attribute| attribute.key.as_str());
        debug_assert!(
            keys.all(|key| self.labels.contains(&key)),
            "{}: {attributes:?}",
            self.name
        );
    }
}

/// Any instrument.
pub trait Instrument: Sync {
    /// What it is.
    fn description(&self) -> &Description;

    /// Its type in Prometheus: `counter`, `gauge`, `histogram`.
    fn kind(&self) -> &'static str;

    /// The name of its series in Prometheus; those of a histogram have `_bucket`, `_sum` and `_count` behind it.
    fn series(&self) -> String {
        let Description { name, unit, .. } = self.description();
        let name = text::name_of(name, unit);
        if self.kind() == "counter" {
            name + "_total"
        } else {
            name
        }
    }

    /// Its labels in Prometheus.
    fn labels(&self) -> Vec<String> {
        let labels = self.description().labels.iter();
        labels.map(|label| text::word(label).into_owned()).collect()
    }
}

/// Counts what only grows.
#[derive(Debug)]
pub struct Counter {
    description: Description,
    made: OnceLock<otel::Counter<u64>>,
}

impl Counter {
    #[doc(hidden)]
    pub const fn new(description: Description) -> Self {
        Self {
            description,
            made: OnceLock::new(),
        }
    }

    /// Counts so many.
    pub fn add(&self, count: u64, attributes: &[KeyValue]) {
        let described = self.description;
        let made = self.made.get_or_init(|| {
            described
                .describe(described.meter().u64_counter(described.name))
                .build()
        });
        described.assert_knows(attributes);
        made.add(count, attributes);
    }
}

impl Instrument for Counter {
    fn description(&self) -> &Description {
        &self.description
    }

    fn kind(&self) -> &'static str {
        "counter"
    }
}

/// Counts what comes and goes.
#[derive(Debug)]
pub struct UpDown {
    description: Description,
    made: OnceLock<otel::UpDownCounter<i64>>,
}

impl UpDown {
    #[doc(hidden)]
    pub const fn new(description: Description) -> Self {
        Self {
            description,
            made: OnceLock::new(),
        }
    }

    /// Counts so many more, or fewer.
    pub fn add(&self, change: i64, attributes: &[KeyValue]) {
        let described = self.description;
        let made = self.made.get_or_init(|| {
            described
                .describe(described.meter().i64_up_down_counter(described.name))
                .build()
        });
        described.assert_knows(attributes);
        made.add(change, attributes);
    }
}

impl Instrument for UpDown {
    fn description(&self) -> &Description {
        &self.description
    }

    fn kind(&self) -> &'static str {
        "gauge"
    }
}

/// Says what is now, when somebody asks. What is not said at a time is not there then.
#[derive(Debug)]
pub struct Observed {
    description: Description,
    made: OnceLock<otel::ObservableUpDownCounter<i64>>,
}

impl Observed {
    #[doc(hidden)]
    pub const fn new(description: Description) -> Self {
        Self {
            description,
            made: OnceLock::new(),
        }
    }

    /// From now on `look` is asked, and says each number to what it is given. Only the first one counts.
    pub fn observe(&self, look: impl Fn(&mut dyn FnMut(i64, &[KeyValue])) + Send + Sync + 'static) {
        let Description {
            name, unit, about, ..
        } = self.description;
        self.made.get_or_init(|| {
            let meter = self.description.meter();
            let counter = meter.i64_observable_up_down_counter(name).with_unit(unit);
            counter
                .with_description(about)
                .with_callback(move |observer| {
                    look(&mut |value, attributes| observer.observe(value, attributes));
                })
                .build()
        });
    }
}

impl Instrument for Observed {
    fn description(&self) -> &Description {
        &self.description
    }

    fn kind(&self) -> &'static str {
        "gauge"
    }
}

/// Says what has grown to how much, when somebody asks.
#[derive(Debug)]
pub struct ObservedTotal {
    description: Description,
    made: OnceLock<otel::ObservableCounter<f64>>,
}

impl ObservedTotal {
    #[doc(hidden)]
    pub const fn new(description: Description) -> Self {
        Self {
            description,
            made: OnceLock::new(),
        }
    }

    /// From now on `look` is asked. Only the first one counts.
    pub fn observe(&self, look: impl Fn() -> Option<f64> + Send + Sync + 'static) {
        let Description {
            name, unit, about, ..
        } = self.description;
        self.made.get_or_init(|| {
            let meter = self.description.meter();
            let counter = meter
                .f64_observable_counter(name)
                .with_unit(unit)
                .with_description(about);
            let look = move |observer: &dyn otel::AsyncInstrument<f64>| {
                if let Some(total) = look() {
                    observer.observe(total, &[]);
                }
            };
            counter.with_callback(look).build()
        });
    }
}

impl Instrument for ObservedTotal {
    fn description(&self) -> &Description {
        &self.description
    }

    fn kind(&self) -> &'static str {
        "counter"
    }
}

/// Measures how values are distributed, and keeps for each bucket the trace of the last one ([`super::exemplar`]).
#[derive(Debug)]
pub struct Histogram {
    description: Description,
    made: OnceLock<(otel::Histogram<f64>, Arc<Reservoir>)>,
}

impl Histogram {
    #[doc(hidden)]
    pub const fn new(description: Description) -> Self {
        Self {
            description,
            made: OnceLock::new(),
        }
    }

    /// Records a value.
    pub fn record(&self, value: f64, attributes: &[KeyValue]) {
        let Description {
            name,
            unit,
            about,
            boundaries,
            ..
        } = self.description;
        let (histogram, exemplars) = self.made.get_or_init(|| {
            let meter = self.description.meter();
            let histogram = meter.f64_histogram(name).with_unit(unit).with_description(about);
            (
                histogram.with_boundaries(boundaries.to_vec()).build(),
                Reservoir::of(name, boundaries),
            )
        });
        self.description.assert_knows(attributes);
        histogram.record(value, attributes);
        exemplars.offer(value, attributes);
    }
}

impl Instrument for Histogram {
    fn description(&self) -> &Description {
        &self.description
    }

    fn kind(&self) -> &'static str {
        "histogram"
    }
}

/// Declares the instruments of a crate, and the list of them.
///
/// An instrument's documentation is its description, one paragraph of it. Behind its name come its unit and its attributes, and behind those of a
/// [`Histogram`] the bounds of its buckets.
///
/// ```
/// mcp_hub_chassis::instruments! {
///     /// The instruments of doors.
///     static DOORS;
///     /// People who came in.
///     pub static CAME: Counter = ("doors.came", "{person}", ["door"]);
///     /// How long they stayed.
///     pub static STAYED: Histogram = ("doors.stayed", "s", [], [60.0, 3600.0]);
/// }
/// CAME.add(1, &[]);
/// assert_eq!(DOORS[0].description().about, "People who came in.");
/// ```
#[macro_export]
macro_rules! instruments {
    (
        $(#[$meta:meta])* $list_vis:vis static $list:ident;
        $(
            $(#[doc = $about:literal])+
            $vis:vis static $name:ident: $kind:ident = ($otel:literal, $unit:literal, [$($label:expr),* $(,)?] $(, [$($bound:expr),* $(,)?])? $(,)?);
        )+
    ) => {
        $(#[$meta])*
        $list_vis static $list: &[&dyn $crate::metrics::instrument::Instrument] = &[$(&$name),+];
        $(
            $(#[doc = $about])+
            $vis static $name: $crate::metrics::instrument::$kind =
                $crate::metrics::instrument::$kind::new($crate::metrics::instrument::Description {
                    meter: env!("CARGO_PKG_NAME"),
                    name: $otel,
                    unit: $unit,
                    about: concat!($($about),+).trim_ascii(),
                    labels: &[$($label),*],
                    boundaries: &[$($($bound),*)?],
                });
        )+
    };
}
