//! What it costs at most to hold a value against a schema. Forms in a form, and schemas that come back to themselves more
//! than once, double the work with every level; a body of a few bytes a level would then keep a worker for years.

mod graph;

use std::collections::HashMap;

use serde_json::Value;

use self::graph::{Graph, Place, Pointers, graph, knots};

/// Times that one part of a value may be looked at, to say whether it fits.
const MOST_JUDGED: u64 = 10_000;

/// And to say why it does not, which costs more: nothing is remembered on the way, and each fault is written down.
const MOST_TOLD: u64 = 1_000;

/// How far a schema may be gone into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Whether a value fits, and why not.
    Told,
    /// Only whether it fits.
    Judged,
    /// Not at all.
    Refused,
}

/// Of every schema of a document.
#[derive(Debug, Default)]
pub(super) struct Efforts {
    pointers: Pointers,
    /// By pointer: those that are not simply told, which most documents have none of.
    dear: HashMap<u64, Effort>,
}

impl Efforts {
    /// Looks at every place of a document once.
    pub(super) fn of(document: &Value) -> Self {
        let keys = Pointers::default();
        let Graph { places, pointers } = graph(document, &keys);
        let dear = pointers.into_iter().zip(costs(&places)).filter_map(|(pointer, cost)| {
            let effort = cost.effort();
            (effort != Effort::Told).then_some((pointer, effort))
        });
        Self { dear: dear.collect(), pointers: keys }
    }

    /// Of the schema at a pointer.
    pub(super) fn at(&self, pointer: &str) -> Effort {
        self.dear.get(&self.pointers.of(pointer)).copied().unwrap_or(Effort::Told)
    }
}

/// How often a part of a value is looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    judged: u64,
    told: u64,
    /// Whether a pattern is among it that cannot be matched in linear time.
    searching: bool,
}

impl Cost {
    const fn effort(self) -> Effort {
        if self.judged > MOST_JUDGED {
            Effort::Refused
        } else if self.told > MOST_TOLD || self.searching {
            Effort::Judged
        } else {
            Effort::Told
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            judged: self.judged.saturating_add(other.judged),
            told: self.told.saturating_add(other.told),
            searching: self.searching || other.searching,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            judged: self.judged.max(other.judged),
            told: self.told.max(other.told),
            searching: self.searching || other.searching,
        }
    }
}

/// Of each place. A knot is a set of places that all lead to one another; what it leads to has been reckoned before it.
fn costs(places: &[Place]) -> Vec<Cost> {
    let mut costs = vec![Cost::default(); places.len()];
    let mut knot_of = vec![usize::MAX; places.len()];
    for (number, knot) in knots(places).into_iter().enumerate() {
        knot.iter().for_each(|place| knot_of[*place] = number);
        let (mut ways, mut outside) = (1_u64, Cost { judged: 1, told: 1, searching: false });
        for place in knot.iter().map(|place| &places[*place]) {
            let is_back = |target: &usize| knot_of[*target] == number;
            let back = place.groups.iter().filter(|group| group.iter().any(is_back)).count();
            // Whether a value fits is remembered wherever a schema comes back to itself; on the way there each place is
            // passed once, and the work grows by as many ways as lead on from it.
            ways = ways.saturating_mul((back as u64).max(1));
            let of_group = |group: &Vec<usize>| {
                let beyond = group.iter().filter(|target| !is_back(target));
                beyond.fold(Cost::default(), |cost, target| cost.or(costs[*target]))
            };
            let beyond = place.groups.iter().map(of_group).fold(Cost::default(), Cost::plus);
            outside = outside.or(Cost { searching: beyond.searching || place.searching, ..beyond });
        }
        let whole = Cost {
            judged: outside.judged.saturating_mul(ways),
            // With two ways back the telling doubles with every level of the value.
            told: if ways > 1 { u64::MAX } else { outside.told },
            ..outside
        };
        knot.into_iter().for_each(|place| costs[place] = whole);
    }
    costs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of `Node`, in a document that has `Leaf` too.
    fn node(node: Value) -> Effort {
        Efforts::of(&json!({"s": {"Node": node, "Leaf": {"type": "string"}}})).at("/s/Node")
    }

    #[test]
    fn every_second_way_back_counts_wherever_it_stands() {
        let (back, leaf) = (json!({"$ref": "#/s/Node"}), json!({"$ref": "#/s/Leaf"}));
        let next = json!({"properties": {"next": back}});
        for told in [
            json!({"properties": {"next": back, "other": back}, "additionalProperties": back}),
            json!({"properties": {"next": {"items": back, "prefixItems": [back, back]}}}),
            json!({"properties": {"next": {"anyOf": [leaf, {"type": "null"}]}}}),
            json!({"properties": {"next": {"oneOf": [back, {"type": "null"}]}}}),
            json!({"allOf": [next, leaf, leaf]}),
            json!({"enum": [back], "const": {"allOf": [next, next]}, "not": leaf}),
        ] {
            assert_eq!(node(told.clone()), Effort::Told, "{told}");
        }
        for judged in [
            json!({"allOf": [next, next]}),
            json!({"anyOf": [{"items": {"properties": {"x": back}}}, next]}),
            json!({"properties": {"next": back}, "anyOf": [next, {"type": "null"}]}),
            json!({"properties": {"next": back}, "patternProperties": {"^n": back}}),
            json!({"patternProperties": {"^n": back, "t$": back}}),
            json!({"if": next, "then": next, "else": true}),
            json!({"properties": {"next": back}, "not": next}),
            json!({"properties": {"next": back}, "dependentSchemas": {"next": next}}),
            json!({"properties": {"next": back}, "unevaluatedProperties": back}),
            json!({"items": back, "contains": back}),
            json!({"allOf": [next, {"$ref": "#/s/%4eode"}]}),
            json!({"$dynamicAnchor": "n", "allOf": [next, {"items": {"$dynamicRef": "#n"}}]}),
        ] {
            assert_eq!(node(judged.clone()), Effort::Judged, "{judged}");
        }
        assert_eq!(
            Efforts::of(&json!({"s": {"Node": {"allOf": [next, next]}, "Leaf": {}}})).at("/s/Leaf"),
            Effort::Told
        );
    }

    #[test]
    fn doubling_without_an_end_is_refused() {
        let chain = |last: Value| {
            let next = |n: usize| json!({"properties": {"next": {"$ref": format!("#/s/N{}", n + 1)}}});
            let mut all: serde_json::Map<_, _> =
                (0..60).map(|n| (format!("N{n}"), json!({"allOf": [next(n), next(n)]}))).collect();
            all.insert("N60".to_owned(), last);
            Efforts::of(&json!({"s": all}))
        };
        for chain in [chain(json!({})), chain(json!({"$ref": "#/s/N0"}))] {
            assert_eq!(chain.at("/s/N0"), Effort::Refused);
        }
        let efforts = chain(json!({}));
        assert_eq!([efforts.at("/s/N49"), efforts.at("/s/N54")], [Effort::Judged, Effort::Told]);
    }

    #[test]
    fn what_nothing_has_looked_at_is_found_by_looking_at_all_of_it_again() {
        for (keyword, rest) in [
            ("anyOf", json!(false)),
            ("anyOf", json!(true)),
            ("allOf", json!({})),
            ("oneOf", json!({"type": "string"})),
        ] {
            for (around, kind) in [("properties", "unevaluatedProperties"), ("items", "unevaluatedItems")] {
                let next = |n: usize| {
                    let next = json!({"$ref": format!("#/s/N{}", n + 1)});
                    if around == "items" { next } else { json!({"next": next}) }
                };
                let chain = |kind: &str| {
                    let all: serde_json::Map<_, _> =
                        (0..60).map(|n| (format!("N{n}"), json!({keyword: [{around: next(n)}], kind: rest}))).collect();
                    Efforts::of(&json!({"s": all})).at("/s/N0")
                };
                assert_eq!(chain(kind), Effort::Refused, "{keyword} {kind} {rest}");
                assert_eq!(chain("title"), Effort::Told);
            }
        }
        // One in the other, on the same value: more than twice as much with each.
        let inside = (0..11).fold(json!({}), |inner, _| json!({"anyOf": [inner], "unevaluatedProperties": false}));
        assert_eq!(node(inside), Effort::Refused);
        let condition = |n: usize| json!({"properties": {"next": {"$ref": format!("#/s/N{}", n + 1)}}});
        let all = |n: usize| json!({"$ref": format!("#/s/A{n}"), "unevaluatedProperties": false});
        let mut schemas = serde_json::Map::new();
        for n in 0..60 {
            schemas.insert(format!("N{n}"), all(n));
            schemas.insert(format!("A{n}"), json!({"$anchor": "a", "if": condition(n)}));
        }
        assert_eq!(Efforts::of(&json!({"s": schemas})).at("/s/N0"), Effort::Refused, "by reference");
        let closed = json!({"allOf": [{"$ref": "#/s/Leaf"}], "properties": {"next": {"$ref": "#/s/Node"}},
            "unevaluatedProperties": false});
        assert_eq!(node(closed), Effort::Told, "what most say who say it");
    }

    #[test]
    fn a_name_that_stands_everywhere_and_is_referred_to_from_everywhere_takes_no_room() {
        let (named, referring) = (vec![json!({"$anchor": "n"}); 3_000], vec![json!({"$ref": "#n"}); 3_000]);
        let document = json!({"s": {"Node": {"allOf": [{"$ref": "#n"}, {"$ref": "#%6e"}]}}, "x": [named, referring]});
        let Graph { places, pointers } = graph(&document, &Pointers::default());
        assert_eq!(pointers.len(), 6_000 + 5);
        let ways: usize = places.iter().flat_map(|place| &place.groups).map(Vec::len).sum();
        assert!(ways < 10_000, "{ways}");
        assert_eq!(Efforts::of(&document).at("/s/Node"), Effort::Told);
    }

    #[test]
    fn patterns_that_search_are_not_told() {
        for (pattern, effort) in [
            ("^[a-z]+$", Effort::Told),
            ("^(?=.*\\d)", Effort::Judged),
            ("(a)\\1", Effort::Judged),
            ("a++", Effort::Judged),
        ] {
            let leaf = json!({"items": {"pattern": pattern}});
            assert_eq!(node(json!({"properties": {"a": {"properties": {"b": leaf}}}})), effort, "{pattern}");
            assert_eq!(node(json!({"patternProperties": {pattern: {}}})), effort, "{pattern}");
        }
    }

    #[test]
    fn a_long_document_is_looked_at_once() {
        let next =
            |n: usize| (format!("N{n}"), json!({"oneOf": [{"$ref": format!("#/s/N{}", n + 1)}, {"type": "null"}]}));
        let all: serde_json::Map<_, _> = (0..5_000).map(next).collect();
        assert_eq!(Efforts::of(&json!({"s": all})).at("/s/N0"), Effort::Judged, "as many forms as there are places");
    }
}
