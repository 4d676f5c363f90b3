use bp::verify::{self, Found};
use bp::import::Options;
use bp::reconcile::rule::Verdict;
fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap();
        let verified = if path.contains("sidecar") || path.contains("traces") || path.contains("pytorch-helper") { verify::sidecar(&bytes, None, &Options{timestamp:"2026-05-17T05:30:00Z".into(), ..Options::at("")}) } else { verify::receipt(&bytes) };
        println!("{} => {:?}", path.rsplit('/').next().unwrap(), verified.outcome());
        for s in &verified.sections {
            match &s.found {
                Found::Judged{report,canonical} => {
                    let mut line = format!("  {:?} canonical {:?} ", s.kind, canonical);
                    for (r,v) in &report.rules { match v {
                        Verdict::Holds{compared,blind} => line += &format!("{}:{}/{} ", r.id, compared, blind),
                        Verdict::Broken(f) => line += &format!("{}:BROKEN({}) ", r.id, f.len()),
                        Verdict::Vacuous{blind} => line += &format!("{}:VACUOUS({}) ", r.id, blind),
                        Verdict::NotReached => line += &format!("{}:notreached ", r.id),
                        Verdict::NotApplicable => {} } }
                    println!("{line}");
                    for f in report.findings().take(8) { println!("     {} {} {} {:?}", f.rule, f.part, f.at, f.evidence); }
                }
                other => println!("  {:?} {:.300}", s.kind, format!("{other:?}")),
            }
        }
    }
}
