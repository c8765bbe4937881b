//! Numbered pages: `page` and `per_page`, or `skip` and `limit`, with totals and RFC 8288 links.

use serde::{Deserialize, Serialize};

use super::{DEFAULT_LIMIT, MAX_LIMIT, bounded};
use crate::http::QueryPairs;
use crate::problem::{Code, Problem};

/// The largest page or offset that is taken: exact in every JSON client.
const MAX_OFFSET: u64 = 9_007_199_254_740_991;

/// Parameters that say which page; links replace them and keep the rest.
const PAGING: [&str; 4] = ["page", "per_page", "skip", "limit"];

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// What a client asked of a numbered list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows to pass over.
    pub offset: u64,
    /// At most so many rows.
    pub limit: u32,
    /// The column to sort by: one of those the list allows.
    pub sort_by: String,
    /// Which way.
    pub order: Order,
    by_skip: bool,
}

impl PageRequest {
    /// Reads the paging parameters. `sortable` are the columns the list allows, the default first.
    pub fn parse(query: &QueryPairs, sortable: &[&'static str], default_order: Order) -> Result<Self, Problem> {
        let page = bounded(query, "page", 1, MAX_OFFSET)?;
        let per_page = bounded(query, "per_page", 1, u64::from(MAX_LIMIT))?;
        let skip = bounded(query, "skip", 0, MAX_OFFSET)?;
        let limit = bounded(query, "limit", 1, u64::from(MAX_LIMIT))?;
        let by_skip = skip.is_some() || limit.is_some();
        if by_skip && (page.is_some() || per_page.is_some()) {
            return Err(Problem::new(Code::ValidationFailed).error(
                "?skip",
                "conflict",
                "use page and per_page, or skip and limit, not both",
            ));
        }
        let limit = per_page.or(limit).unwrap_or(u64::from(DEFAULT_LIMIT));
        let offset = skip.unwrap_or_else(|| page.map_or(0, |page| (page - 1).saturating_mul(limit)));
        Ok(Self {
            offset: offset.min(MAX_OFFSET),
            limit: u32::try_from(limit).unwrap_or(MAX_LIMIT),
            sort_by: sort_by(query, sortable)?,
            order: order(query, default_order)?,
            by_skip,
        })
    }
}

fn sort_by(query: &QueryPairs, sortable: &[&'static str]) -> Result<String, Problem> {
    match query.get("sort_by") {
        None => Ok(sortable.first().copied().unwrap_or_default().to_owned()),
        Some(column) if sortable.contains(&column) => Ok(column.to_owned()),
        Some(_) => Err(Problem::new(Code::ValidationFailed).error(
            "?sort_by",
            "one_of",
            format!("one of {}", sortable.join(", ")),
        )),
    }
}

fn order(query: &QueryPairs, default: Order) -> Result<Order, Problem> {
    match query.get("sort_order") {
        None => Ok(default),
        Some("asc") => Ok(Order::Asc),
        Some("desc") => Ok(Order::Desc),
        Some(_) => Err(Problem::new(Code::ValidationFailed).error("?sort_order", "one_of", "asc or desc")),
    }
}

/// One numbered page.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Paged<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where this page stands.
    pub meta: Meta,
    /// Its neighbours.
    pub links: Links,
}

/// Where a page stands in the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Meta {
    /// Rows in the whole list.
    pub total: u64,
    /// This page's number, from 1.
    pub page: u64,
    /// Rows asked for in a page.
    pub per_page: u32,
    /// Pages in the whole list.
    pub pages: u64,
    /// Whether another page follows.
    pub has_more: bool,
}

/// URLs of neighbouring pages; `null` where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Links {
    /// The first page.
    pub first: Option<String>,
    /// The last page.
    pub last: Option<String>,
    /// The page after this one.
    pub next: Option<String>,
    /// The page before this one.
    pub prev: Option<String>,
}

impl<T: Serialize> Paged<T> {
    /// A page of `total` rows, its links pointing at `path` with the query's other parameters kept.
    #[must_use]
    pub fn new(data: Vec<T>, total: u64, request: &PageRequest, path: &str, query: &QueryPairs) -> Self {
        let per_page = u64::from(request.limit.max(1));
        let pages = total.div_ceil(per_page);
        let page = request.offset / per_page + 1;
        let has_more = request.offset.saturating_add(per_page) < total;
        let url = |offset: u64| Some(page_url(path, query, request, offset));
        // In step with this page, so that whoever follows `next` ends there: `skip` need not be a multiple of `limit`.
        let step = request.offset % per_page;
        let last = total.checked_sub(step + 1).map_or(0, |rows| step + rows / per_page * per_page);
        let links = Links {
            first: url(0),
            last: url(last),
            next: has_more.then(|| url(request.offset + per_page)).flatten(),
            prev: (request.offset > 0).then(|| url(request.offset.saturating_sub(per_page).min(last))).flatten(),
        };
        Self { data, meta: Meta { total, page, per_page: request.limit, pages, has_more }, links }
    }

    /// The `Link` header's value (RFC 8288).
    #[must_use]
    pub fn link_header(&self) -> String {
        let Links { first, last, next, prev } = &self.links;
        let relations = [("first", first), ("prev", prev), ("next", next), ("last", last)];
        let link = |(name, url): (&str, &Option<String>)| url.as_ref().map(|url| format!("<{url}>; rel=\"{name}\""));
        relations.into_iter().filter_map(link).collect::<Vec<_>>().join(", ")
    }
}

fn page_url(path: &str, query: &QueryPairs, request: &PageRequest, offset: u64) -> String {
    let mut url = form_urlencoded(query.iter().filter(|(name, _)| !PAGING.contains(name)));
    let limit = u64::from(request.limit.max(1));
    let own = if request.by_skip {
        format!("skip={offset}&limit={limit}")
    } else {
        format!("page={}&per_page={limit}", offset / limit + 1)
    };
    if !url.is_empty() {
        url.push('&');
    }
    format!("{path}?{url}{own}")
}

fn form_urlencoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    serde_urlencoded::to_string(pairs.collect::<Vec<_>>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<PageRequest, Problem> {
        PageRequest::parse(&QueryPairs::parse(query).unwrap(), &["created_at", "email"], Order::Desc)
    }

    #[test]
    fn both_styles_mean_the_same_rows() {
        assert_eq!(parse("").unwrap().limit, 20);
        let page = parse("page=3&per_page=10").unwrap();
        let skip = parse("skip=20&limit=10").unwrap();
        assert_eq!((page.offset, page.limit), (skip.offset, skip.limit));
        assert_eq!(parse("sort_by=email&sort_order=asc").unwrap().order, Order::Asc);
    }

    #[test]
    fn values_out_of_range_are_422_and_no_integers_are_400() {
        for query in [
            "page=0",
            "per_page=0",
            "per_page=101",
            "skip=-1",
            "limit=99999999999999999999",
            "sort_by=password",
            "sort_order=up",
            "page=1&skip=2",
        ] {
            assert_eq!(parse(query).unwrap_err().code(), Code::ValidationFailed, "{query}");
        }
        for query in ["page=x", "per_page=1.5", "skip=", "limit=1e1"] {
            assert_eq!(parse(query).unwrap_err().code(), Code::MalformedQuery, "{query}");
        }
        assert_eq!(parse(&format!("page={MAX_OFFSET}&per_page=100")).unwrap().offset, MAX_OFFSET);
    }

    #[test]
    fn links_keep_other_parameters_and_end_where_the_list_ends() {
        let query = QueryPairs::parse("q=a%26b&page=2&per_page=10").unwrap();
        let request = PageRequest::parse(&query, &["email"], Order::Asc).unwrap();
        let page = Paged::new(vec![1; 10], 25, &request, "/api/v1/users", &query);
        assert_eq!(page.meta, Meta { total: 25, page: 2, per_page: 10, pages: 3, has_more: true });
        assert_eq!(page.links.next.as_deref(), Some("/api/v1/users?q=a%26b&page=3&per_page=10"));
        assert_eq!(page.links.prev.as_deref(), Some("/api/v1/users?q=a%26b&page=1&per_page=10"));
        assert!(page.link_header().contains("</api/v1/users?q=a%26b&page=3&per_page=10>; rel=\"last\""));
        let apart = parse("skip=1&limit=10").unwrap();
        let links = Paged::new(vec![1; 10], 25, &apart, "/p", &QueryPairs::parse("").unwrap()).links;
        assert_eq!(links.next.as_deref(), Some("/p?skip=11&limit=10"));
        assert_eq!(
            (links.last.as_deref(), links.prev.as_deref()),
            (Some("/p?skip=21&limit=10"), Some("/p?skip=0&limit=10"))
        );
        let last = |query: &str, total| {
            Paged::<u8>::new(Vec::new(), total, &parse(query).unwrap(), "/p", &QueryPairs::default())
                .links
                .last
                .unwrap()
        };
        for (query, total, skip) in [
            ("skip=1&limit=10", 21, 11),
            ("skip=5&limit=10", 5, 0),
            ("skip=5&limit=10", 0, 0),
            ("skip=0&limit=10", 20, 10),
            ("skip=95&limit=10", 25, 15),
        ] {
            assert_eq!(last(query, total), format!("/p?skip={skip}&limit=10"), "{query} of {total}");
        }
        let beyond = parse("skip=100&limit=10").unwrap();
        let empty = Paged::new(Vec::<u8>::new(), 25, &beyond, "/p", &QueryPairs::parse("").unwrap());
        assert_eq!((empty.links.next, empty.links.prev.as_deref()), (None, Some("/p?skip=20&limit=10")));
    }
}
