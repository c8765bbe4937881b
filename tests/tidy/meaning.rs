//! What code may know of other code, and what must not lie about unused.

use super::source::{Finding, Source};

/// Crates and libraries that a part of the tree must not know.
const FORBIDDEN: [(&str, &[&str]); 6] = [
    ("shared/src/", &["sea_orm", "sqlx::", "gateway::", "users_service::", "accounts_service::"]),
    ("gateway/src/", &["sea_orm", "sqlx::", "users_service::", "accounts_service::"]),
    ("users-service/src/", &["gateway::", "accounts_service::"]),
    ("accounts-service/src/", &["gateway::", "users_service::"]),
    ("/http.rs", &["sea_orm", "sqlx::", "entity::"]),
    ("accounts-service/src/posting/core/", &["sea_orm", "sqlx::", "actix_web", "tokio"]),
];

/// Imports point from services to `shared`, and from handlers to stores, never back.
pub fn imports(source: &Source) -> Vec<Finding> {
    let rules = FORBIDDEN.iter().filter(|(place, _)| source.path.starts_with(place) || source.path.ends_with(place));
    let code = source.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let knows = |line: &str, name: &str| {
        line.match_indices(name).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"')
        })
    };
    code.flat_map(|(at, line)| {
        let names = rules.clone().flat_map(|(_, names)| names.iter());
        names.filter(|name| knows(line, name)).map(move |name| (at, *name)).collect::<Vec<_>>()
    })
    .map(|(at, name)| source.finding(at + 1, format!("must not know `{}`", name.trim_end_matches(':'))))
    .collect()
}

/// Extractors that decide who may call.
const EXTRACTORS: [&str; 14] = [
    "Anyone",
    "SignedIn",
    "InSession",
    "Staff",
    "CanManageUsers",
    "CanAssignRoles",
    "CanManageRoles",
    "CanManageSessions",
    "CanManageClients",
    "CanReadAudit",
    "CanSeeRoles",
    "CanManageKeys",
    "CanOperateAccounts",
    "TheGateway",
];

/// Handlers that are there for whoever can reach the service: documents and probes.
const PUBLIC: [&str; 8] =
    ["jwks", "metadata", "openid_configuration", "livez", "readyz", "metrics", "openapi", "document"];

/// A handler (a function under `#[utoipa::path]`) takes an authorization extractor.
pub fn authorization(source: &Source) -> Vec<Finding> {
    if !source.path.contains("-service/src/") {
        return Vec::new();
    }
    let Ok(file) = syn::parse_file(&source.text) else { return Vec::new() };
    let handlers = file.items.iter().filter_map(|item| match item {
        syn::Item::Fn(function) if function.attrs.iter().any(is_route) => Some(&function.sig),
        _ => None,
    });
    handlers
        .filter(|signature| !PUBLIC.contains(&signature.ident.to_string().as_str()))
        .filter(|signature| !signature.inputs.iter().any(|input| takes(input, &file)))
        .map(|signature| {
            let what = format!("`{}` takes none of {}", signature.ident, EXTRACTORS.join(", "));
            source.finding(signature.ident.span().start().line, what)
        })
        .collect()
}

fn is_route(attribute: &syn::Attribute) -> bool {
    attribute.path().segments.iter().map(|segment| segment.ident.to_string()).eq(["utoipa", "path"])
}

/// Whether an argument is an extractor, or a tuple of the same file's that has one.
fn takes(input: &syn::FnArg, file: &syn::File) -> bool {
    let syn::FnArg::Typed(argument) = input else { return false };
    let alias = |name: &syn::Ident| {
        file.items.iter().find_map(|item| match item {
            syn::Item::Type(alias) if alias.ident == *name => Some(alias.ty.as_ref()),
            _ => None,
        })
    };
    match argument.ty.as_ref() {
        syn::Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            is_extractor(argument.ty.as_ref())
                || matches!(alias(&last.ident), Some(syn::Type::Tuple(parts)) if parts.elems.iter().any(is_extractor))
        }),
        _ => false,
    }
}

fn is_extractor(kind: &syn::Type) -> bool {
    let syn::Type::Path(path) = kind else { return false };
    path.path.segments.last().is_some_and(|last| EXTRACTORS.contains(&last.ident.to_string().as_str()))
}

/// Every file of `gateway/src/policy/` is named by another part of the gateway.
pub fn unused_policies(sources: &[Source]) -> Vec<Finding> {
    let policies = sources.iter().filter_map(|source| {
        let name = source.path.strip_prefix("gateway/src/policy/")?.strip_suffix(".rs")?;
        (!name.contains('/')).then_some((source, name))
    });
    let used = |name: &str| {
        sources.iter().any(|other| {
            other.path.starts_with("gateway/src/")
                && !other.path.starts_with("gateway/src/policy")
                && (other.text.contains(&format!("policy::{name}")) || other.text.contains(&format!("{name}::")))
        })
    };
    policies
        .filter(|(_, name)| !used(name))
        .map(|(source, name)| source.finding(1, format!("policy `{name}` is not used")))
        .collect()
}

/// Every row of the problem catalogue is answered somewhere.
pub fn unused_codes(sources: &[Source]) -> Vec<Finding> {
    let catalogue = "shared/src/problem/catalogue.rs";
    let Some(table) = sources.iter().find(|source| source.path == catalogue) else { return Vec::new() };
    let variants = table.text.lines().enumerate().filter_map(|(at, line)| {
        let mut words = line.trim().split(' ');
        let (variant, code) = (words.next()?, words.next()?);
        (code.starts_with('"') && variant.starts_with(char::is_uppercase)).then_some((at, variant.to_owned()))
    });
    let used = |variant: &str| {
        let name = format!("Code::{variant}");
        sources.iter().filter(|source| source.path != catalogue && !source.is_test()).any(|source| {
            source
                .text
                .match_indices(&name)
                .any(|(at, _)| !source.text[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    };
    variants
        .filter(|(_, name)| !used(name))
        .map(|(at, name)| table.finding(at + 1, format!("`{name}` is never answered")))
        .collect()
}

#[test]
fn bad_meanings_are_found() {
    let of = Source::new;
    assert_eq!(imports(&of("shared/src/x.rs", "use sea_orm::Entity;")).len(), 1);
    assert_eq!(imports(&of("gateway/src/x.rs", "let x = users_service::build();")).len(), 1);
    assert_eq!(imports(&of("users-service/src/users/http.rs", "use sqlx::query;")).len(), 1);
    assert!(imports(&of("users-service/src/users/store.rs", "use sea_orm::Entity;")).is_empty());
    let handler = |argument: &str| {
        of("users-service/src/x/http.rs", &format!("#[utoipa::path(get, path = \"/x\")]\nasync fn x({argument}) {{}}"))
    };
    assert_eq!(authorization(&handler("app: Data<App>")).len(), 1);
    assert!(authorization(&handler("_: auth::CanReadAudit")).is_empty());
    let tuple = |parts: &str| {
        let code = format!("type Asked = {parts};\n#[utoipa::path(get)]\nasync fn x(asked: Asked) {{}}");
        authorization(&of("users-service/src/x/http.rs", &code)).len()
    };
    assert_eq!((tuple("(SignedIn, App)"), tuple("(App, Id)")), (0, 1));
    let policy = of("gateway/src/policy/cors.rs", "");
    assert_eq!(unused_policies(std::slice::from_ref(&policy)).len(), 1);
    assert!(unused_policies(&[policy, of("gateway/src/pipeline.rs", "policy::cors::check()")]).is_empty());
    let table = of("shared/src/problem/catalogue.rs", "    NotFound \"not_found\" 404 false \"Nothing.\";");
    assert_eq!(unused_codes(std::slice::from_ref(&table)).len(), 1);
    assert_eq!(unused_codes(&[table.clone(), of("gateway/src/x.rs", "Code::NotFoundAtAll")]).len(), 1);
    assert!(unused_codes(&[table, of("gateway/src/x.rs", "Code::NotFound)")]).is_empty());
}
