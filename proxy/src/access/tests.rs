use super::*;

/// A rule as this test thinks of it, for a second, naive implementation of the algorithm.
#[derive(Clone, Copy, Debug)]
struct Naive {
    subject: usize,
    effect: Effect,
    mode: Mode,
    port: Option<u16>,
    method: Option<&'static str>,
    path: Option<&'static str>,
}

const SUBJECTS: usize = 4;

fn subjects() -> [Subject; SUBJECTS] {
    let is = |kind| Subject(vec![Condition { kind, inverted: false }]);
    [
        is(Kind::Identity("spiffe://cluster.local/ns/shop/sa/web".into())),
        is(Kind::Namespace("spiffe://cluster.local/ns/shop".into())),
        is(Kind::Unauthenticated),
        is(Kind::Anyone),
    ]
}

fn is_subject(subject: usize, who: Option<&SpiffeId>) -> bool {
    match subject {
        0 => who.is_some_and(|id| id.namespace() == "shop" && id.service_account() == "web"),
        1 => who.is_some_and(|id| id.namespace() == "shop"),
        2 => who.is_none(),
        _ => true,
    }
}

fn built(default: Default, rules: &[Naive]) -> Access {
    let names: Vec<_> = (0..rules.len()).map(|rule| format!("shop/rule-{rule}")).collect();
    let mut builder = Builder::new(default, names.iter().map(String::as_str));
    for rule in rules {
        builder.permission(
            rule.port.into_iter().collect(),
            rule.method.into_iter().map(|method| method.parse().unwrap()).collect(),
            rule.path.into_iter().map(|path| Pattern::parse(path).unwrap()).collect(),
            Vec::new(),
        );
    }
    for (number, subject) in subjects().into_iter().enumerate() {
        let own = rules.iter().enumerate().filter(|(_, rule)| rule.subject == number);
        let grants = own.map(|(index, rule)| Grant {
            permission: index,
            binding: index,
            effect: rule.effect,
            mode: rule.mode,
        });
        builder.subject(subject, grants);
    }
    builder.build([0; 32])
}

/// What somebody asks; `None`: bytes.
type Asked = Option<(&'static str, &'static str)>;

/// The algorithm of `docs/access.md`, word for word.
fn expected(
    default: Default,
    rules: &[Naive],
    who: Option<&SpiffeId>,
    port: u16,
    asked: Asked,
) -> (bool, bool) {
    let path_is = |pattern: &str, path: &str, effect| {
        let (pattern, path) = match effect {
            Effect::Allow => (pattern.to_owned(), path.to_owned()),
            Effect::Deny => (pattern.to_lowercase(), path.to_lowercase()),
        };
        match pattern.strip_suffix('*') {
            Some(prefix) => {
                path.starts_with(prefix) || effect == Effect::Deny && path == prefix[..prefix.len() - 1]
            }
            None if effect == Effect::Deny => path.trim_end_matches('/') == pattern.trim_end_matches('/'),
            None => path == pattern,
        }
    };
    let holds = |rule: &Naive| {
        let request = match asked {
            None => rule.method.is_none() && rule.path.is_none(),
            Some((method, path)) => {
                rule.method.is_none_or(|wanted| wanted == method)
                    && rule.path.is_none_or(|wanted| path_is(wanted, path, rule.effect))
            }
        };
        is_subject(rule.subject, who) && rule.port.is_none_or(|wanted| wanted == port) && request
    };
    let any = |effect, modes: &[Mode]| {
        rules.iter().any(|rule| rule.effect == effect && modes.contains(&rule.mode) && holds(rule))
    };
    let by = |modes: &[Mode], otherwise: bool| {
        !any(Effect::Deny, modes) && (any(Effect::Allow, modes) || otherwise)
    };
    let (enforced, all) = (&[Mode::Enforce][..], &[Mode::Enforce, Mode::DryRun][..]);
    (by(enforced, default != Default::Deny), by(all, default == Default::Allow))
}

#[test]
fn every_cell_of_the_matrix_is_judged_as_the_algorithm_says() {
    let id = |namespace, account| Some(SpiffeId::new("cluster.local", namespace, account));
    let callers = [id("shop", "web"), id("shop", "web-2"), id("shop-2", "web"), None];
    let asks: [Asked; 8] = [
        None,
        Some(("GET", "/")),
        Some(("GET", "/api/items")),
        Some(("POST", "/api/items")),
        Some(("GET", "/API/items")),
        Some(("GET", "/api")),
        Some(("GET", "/admin/")),
        Some(("get", "/admin")),
    ];
    let (mut cells, mut allowed, mut differ) = (0, 0, 0);
    // Sets of two or three rules from a sequence that visits each kind with each other.
    let mut seed = 7_u32;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as usize % below
    };
    for round in 0..600 {
        let rules: Vec<_> = (0..1 + round % 4)
            .map(|_| Naive {
                subject: next(SUBJECTS),
                effect: [Effect::Allow, Effect::Allow, Effect::Deny][next(3)],
                mode: [Mode::Enforce, Mode::Enforce, Mode::DryRun][next(3)],
                port: [None, None, Some(80), Some(81)][next(4)],
                method: [None, None, Some("GET")][next(3)],
                path: [None, None, Some("/api/*"), Some("/admin"), Some("/")][next(5)],
            })
            .collect();
        let default = [Default::Allow, Default::WouldDeny, Default::Deny][round % 3];
        let access = built(default, &rules);
        for who in &callers {
            for port in [80, 82] {
                let standing = access.standing(Who { identity: who.as_ref(), ip: None }, port);
                for asked in asks {
                    let verdict = match asked {
                        None => access.judge_bytes(&standing),
                        Some((method, path)) => {
                            let method = method.parse().unwrap();
                            access.judge(
                                &standing,
                                &Question { method: &method, path, headers: &HeaderMap::new(), token: None },
                            )
                        }
                    };
                    // In what denies, letters of the method count in either case too.
                    if asked.is_some_and(|(method, _)| method == "get") {
                        continue;
                    }
                    let found = (verdict.allowed, verdict.rehearsed.is_some() != verdict.allowed);
                    let expected = expected(default, &rules, who.as_ref(), port, asked);
                    assert_eq!(found, expected, "{default:?} {rules:?} {who:?}:{port} {asked:?}");
                    cells += 1;
                    allowed += usize::from(found.0);
                    differ += usize::from(found.0 != found.1);
                }
            }
        }
    }
    assert!(cells > 10_000 && allowed > cells / 10 && allowed < cells * 9 / 10 && differ > cells / 20);
}

const WEB: Naive = Naive {
    subject: 0,
    effect: Effect::Allow,
    mode: Mode::Enforce,
    port: Some(80),
    method: None,
    path: None,
};

fn web_at(access: &Access, port: u16) -> Standing {
    let web = SpiffeId::new("cluster.local", "shop", "web");
    access.standing(Who { identity: Some(&web), ip: None }, port)
}

fn get<'a>(path: &'a str, headers: &'a HeaderMap) -> Question<'a> {
    Question { method: &Method::GET, path, headers, token: None }
}

#[test]
fn a_verdict_names_the_binding_that_decided() {
    let rules = [
        Naive { path: Some("/a"), ..WEB },
        Naive { path: Some("/b"), effect: Effect::Deny, ..WEB },
        Naive { path: Some("/c"), effect: Effect::Deny, mode: Mode::DryRun, ..WEB },
    ];
    let (access, headers) = (built(Default::Deny, &rules), HeaderMap::new());
    let standing = web_at(&access, 80);
    for (path, allowed, by) in
        [("/a", true, "shop/rule-0"), ("/b", false, "shop/rule-1"), ("/c", false, "default")]
    {
        let verdict = access.judge(&standing, &get(path, &headers));
        assert_eq!((verdict.allowed, access.name(verdict.by)), (allowed, by), "{path}");
    }
    let open = built(Default::WouldDeny, &rules);
    let standing = web_at(&open, 80);
    for (path, by) in [("/c", "shop/rule-2"), ("/d", "default")] {
        let verdict = open.judge(&standing, &get(path, &headers));
        assert!(verdict.allowed);
        assert_eq!(verdict.rehearsed.map(|would| open.name(would.by)), Some(by), "{path}");
    }
}

#[test]
fn a_port_says_whether_its_rules_need_requests() {
    let rules = [
        WEB,
        Naive { port: Some(81), method: Some("GET"), ..WEB },
        Naive { port: Some(82), path: Some("/a"), ..WEB },
    ];
    let access = built(Default::Deny, &rules);
    let asks = |port| (access.asks_about_requests(port), access.asks_about_paths(port));
    assert_eq!([80, 81, 82].map(asks), [(false, false), (true, false), (true, true)]);
    let everywhere = built(Default::Deny, &[Naive { port: None, path: Some("/a"), ..WEB }]);
    assert!(everywhere.asks_about_requests(7) && everywhere.asks_about_paths(7));
}

#[test]
fn what_is_taken_from_a_caller_is_noticed_and_what_is_given_is_not() {
    let deny = Naive { effect: Effect::Deny, ..WEB };
    let path = Naive { path: Some("/a"), ..WEB };
    let other = Naive { subject: 2, ..WEB };
    for (before, after, takes) in [
        ((Default::Allow, vec![]), (Default::WouldDeny, vec![]), false),
        ((Default::WouldDeny, vec![]), (Default::Deny, vec![]), true),
        ((Default::Deny, vec![WEB]), (Default::Deny, vec![]), true),
        ((Default::Deny, vec![WEB]), (Default::Deny, vec![path]), true),
        ((Default::Deny, vec![path]), (Default::Deny, vec![WEB, path]), false),
        ((Default::Deny, vec![WEB]), (Default::Deny, vec![other, WEB]), false),
        ((Default::Deny, vec![WEB, other]), (Default::Deny, vec![WEB]), false),
        ((Default::Deny, vec![WEB]), (Default::Allow, vec![]), false),
        ((Default::Allow, vec![]), (Default::Allow, vec![deny]), true),
        ((Default::Allow, vec![deny]), (Default::Allow, vec![]), false),
        ((Default::Allow, vec![]), (Default::Allow, vec![Naive { mode: Mode::DryRun, ..deny }]), false),
        ((Default::Deny, vec![WEB]), (Default::Deny, vec![Naive { mode: Mode::DryRun, ..WEB }]), true),
    ] {
        let (old, new) = (built(before.0, &before.1), built(after.0, &after.1));
        let found = new.takes_from(&web_at(&new, 80), &old, &web_at(&old, 80));
        assert_eq!(found, takes, "{before:?} -> {after:?}");
    }
}

/// Bytes on the heap.
fn weight(access: &Access) -> usize {
    let of = |count: usize, size: usize| count * size;
    of(access.rules.len(), size_of::<Rule>())
        + of(access.scopes.len(), size_of::<Scope>())
        + of(access.anywhere.len(), size_of::<RuleId>())
        + access.bindings.0.len()
        + of(access.bindings.1.len(), size_of::<u32>())
        + access.paths.weight()
        + access.subjects.weight()
}

/// Each by a binding of its own: of one caller to many paths, and of many callers to one path each.
fn ten_thousand(of_one: bool) -> Access {
    const COUNT: usize = 10_000;
    let names: Vec<_> = (0..COUNT).map(|rule| format!("shop/binding-number-{rule}")).collect();
    let mut builder = Builder::new(Default::Deny, names.iter().map(String::as_str));
    for rule in 0..COUNT {
        let path = Pattern::parse(&format!("/api/v1/things/{rule}/*")).unwrap();
        builder.permission(vec![8080], Vec::new(), vec![path], Vec::new());
    }
    let grant = |rule| Grant { permission: rule, binding: rule, effect: Effect::Allow, mode: Mode::Enforce };
    let account = |name: &str| {
        let kind = Kind::Identity(format!("spiffe://cluster.local/ns/shop/sa/{name}").into());
        Subject(vec![Condition { kind, inverted: false }])
    };
    if of_one {
        builder.subject(account("web"), (0..COUNT).map(grant));
    } else {
        builder.subject(account("web"), [grant(77)]);
        for rule in (0..COUNT).filter(|rule| *rule != 77) {
            builder.subject(account(&format!("service-account-{rule}")), [grant(rule)]);
        }
    }
    builder.build([0; 32])
}

#[test]
fn ten_thousand_rules_weigh_a_few_megabytes_and_are_not_walked_through() {
    for (of_one, most) in [(true, 2_000_000), (false, 3_000_000)] {
        let access = ten_thousand(of_one);
        assert_eq!(access.len(), 10_000);
        let weight = weight(&access);
        assert!(weight < most, "{weight} bytes, of one: {of_one}");
        let (standing, headers) = (web_at(&access, 8080), HeaderMap::new());
        assert_eq!(standing.scopes.len(), 1);
        let (good, bad) = ("/api/v1/things/77/parts", "/api/v1/things/x77/parts");
        assert!(access.judge(&standing, &get(good, &headers)).allowed);
        assert!(!access.judge(&standing, &get(bad, &headers)).allowed);
        let compared = access.paths.compared(standing_root(&access, &standing), good);
        assert!(compared < 40, "{compared} segments were compared");
    }
}

fn standing_root(access: &Access, standing: &Standing) -> u32 {
    access.scopes[standing.scopes[0] as usize].allow.unwrap()
}
