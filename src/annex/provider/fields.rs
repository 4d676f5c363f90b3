//! The keys of `provider.toml`: one table, from which it is parsed, explained and checked.

use crate::annex::model::Kind;

/// What a key holds. An empty value of any kind is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// A list of texts, or of tables with these keys.
    Items(&'static [&'static str]),
    /// True or false; false is no answer.
    Flag,
    /// A day, `2026-01-31`.
    Date,
    /// A SHA-256 digest.
    Digest,
    /// A relative path of a file that goes into the pack, and what the file is.
    File(Kind),
    /// Several such paths.
    Files(Kind),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// How the system is classified.
    Classification,
    /// The id of a listed person.
    Person,
    /// Ids of roles.
    Roles,
    /// Ids of units and facets.
    Points,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// As it is written.
    pub key: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// The point of the Annex, or the article, that it answers.
    pub point: &'static str,
    /// What to write there.
    pub about: &'static str,
}

/// One table of the file, or a list of tables.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// As it is written; empty for the top of the file.
    pub name: &'static str,
    /// Whether it may stand there several times.
    pub list: bool,
    /// Its keys.
    pub fields: &'static [Field],
}

impl Section {
    /// The key of this name.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }
}

/// Keys that every table may hold: who says it, and when.
pub const BY: [&str; 2] = ["stated_by", "stated_on"];

/// The section and key of an id, `system.model.role`.
#[must_use]
pub fn field(id: &str) -> Option<(&'static Section, &'static Field)> {
    let (name, key) = id.rsplit_once('.')?;
    let section = section(name)?;
    Some((section, section.field(key)?))
}

/// The section of a name.
#[must_use]
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The uses of a data set.
pub const USES: &[&str] = &["training", "validation", "testing"];

macro_rules! sections {
    ($($name:literal $list:literal { $($key:ident $shape:expr, $point:literal, $about:literal;)* })*) => {
        /// Every section, in the order of the file.
        pub static SECTIONS: &[Section] = &[$(Section {
            name: $name,
            list: $list,
            fields: &[
                $(Field { key: stringify!($key), shape: $shape, point: $point, about: $about },)*
                Field { key: "stated_by", shape: Shape::Person, point: "6.2", about: "who says what this table says" },
                Field { key: "stated_on", shape: Shape::Date, point: "6.2", about: "and on which day" },
            ],
        }),*];
    };
}

use Shape::{Choice, Classification, Date, Digest, File, Files, Flag, Items, Person, Points, Roles, Text};

sections! {
    "" false {}
    "provider" false {
        legal_name Text, "1(a)", "name of the provider";
        address Text, "Annex V.2", "address of the provider";
        contact Text, "Art. 16(b)", "how to reach the provider: a function, not a person";
        authorised_representative Text, "Art. 22", "authorised representative, where there is one";
        enterprise_size Choice(&["sme", "smc", "large"]), "Art. 11(1)", "size; the Commission's simplified form is not offered here";
    }
    "system" false {
        name Text, "1(a)", "name of the AI system";
        version Text, "1(a)", "version of the AI system";
        previous_version Text, "1(a)", "version before it";
        version_change_summary Text, "1(a)", "how this version relates to earlier ones";
        intended_purpose Text, "1(a)", "intended purpose, with context and conditions of use";
        persons_or_groups Text, "2(b)", "persons or groups in respect of whom it is to be used";
        classification Classification, "Art. 6", "annex_iii.5.b, annex_i.a, not_high_risk, gpai or undetermined";
        placed_on_market Date, "Art. 18", "day of placing on the market";
        distribution_forms Items(&["form", "description"]), "1(d)", "forms of supply: embedded, download, api, saas, other";
    }
    "system.model" true {
        role Text, "1(a)", "what the model does in the system";
        sha256 Digest, "1(a)", "digest of its weights: binds the system version to them";
        base_model Text, "2(a)", "pre-trained model that it began from";
        base_model_sha256 Digest, "2(a)", "digest of that model";
        licence Text, "2(a)", "licence of that model";
        modification Text, "2(a)", "how that model was used or modified";
    }
    "runtime" false {
        interfaces Items(&["counterpart", "direction", "protocol", "other_ai_system"]), "1(b)", "what it works with outside itself";
        software Items(&["name", "version"]), "1(c)", "software and firmware in use, by version";
        update_requirements Text, "1(c)", "what a version update requires";
        hardware Items(&["name", "minimum", "recommended", "tested"]), "1(e)", "hardware that it is meant to run on, not that of training";
        same_as_training Flag, "1(c)", "whether it runs on the software that it was trained with";
        same_as_training_reason Text, "1(c)", "why that can be said";
        input_specs Text, "3", "specifications of input data";
    }
    "product" false {
        is_component Flag, "1(f)", "whether it is a component of a product";
        images Files(Kind::Screenshot), "1(f)", "pictures of the product";
        marking Text, "1(f)", "marking of the product";
    }
    "ui" false {
        description Text, "1(g), 1(h)", "user interface for the deployer";
        screenshots Files(Kind::Screenshot), "1(g), 1(h)", "pictures of it";
        ifu File(Kind::Ifu), "1(h)", "instructions for use";
        ifu_version Text, "1(h)", "their version";
        ifu_languages Items(&[]), "1(h)", "their languages";
        declared_accuracy Items(&["metric", "value", "dataset"]), "1(h), Art. 15(3)", "accuracy that they declare";
    }
    "development" false {
        method_narrative Text, "2(a)", "methods of development";
        steps_other Text, "2(a)", "steps of development other than training";
        training_methodology Text, "2(d)", "training methods and techniques";
    }
    "third_party" true {
        name Text, "2(a)", "pre-trained system or tool of a third party";
        version Text, "2(a)", "its version";
        sha256 Digest, "2(a)", "its digest";
        licence Text, "2(a)", "its licence";
        how_used Text, "2(a)", "how it was used or integrated";
        how_modified Text, "2(a)", "how it was modified";
    }
    "design" false {
        general_logic Text, "2(b)", "general logic of the system and its algorithms";
        key_choices Items(&["choice", "rationale", "assumption"]), "2(b)", "key design choices with reasons and assumptions";
        classification_choices Text, "2(b)", "main classification choices";
        optimises_for Text, "2(b)", "what the system is designed to optimise for";
        parameter_relevance Text, "2(b)", "relevance of the parameters";
        expected_output Text, "2(b)", "expected output";
        output_quality Text, "2(b)", "its quality";
        tradeoffs Items(&["decision", "rationale"]), "2(b)", "trade-offs decided on";
        architecture Text, "2(c)", "system architecture";
        architecture_diagram File(Kind::Other), "2(c)", "picture of it";
    }
    "compute" false {
        develop Text, "2(c)", "computing resources of development";
        test Text, "2(c)", "of testing";
        validate Text, "2(c)", "of validation";
    }
    "dataset" true {
        name Text, "2(d), 2(g)", "name of a data set";
        use Choice(USES), "2(d), 2(g)", "training, validation or testing";
        sha256 Digest, "2(d), 2(g)", "digest: joins it to the recorded files";
        provenance Text, "2(d)", "where it comes from; unknown is an answer";
        scope Text, "2(d)", "its scope";
        characteristics Text, "2(d), 2(g)", "its main characteristics";
        obtained Text, "2(d)", "how it was obtained";
        selection Text, "2(d)", "how it was selected";
        labelling Text, "2(d)", "how it was labelled";
        cleaning Text, "2(d)", "how it was cleaned";
        personal_data Flag, "Art. 10", "whether it holds personal data";
        legal_basis_ref Text, "Art. 10", "where the legal basis is documented";
        licence Text, "2(d)", "its licence";
        datasheet File(Kind::Datasheet), "2(d)", "its datasheet";
    }
    "oversight" false {
        assessment Text, "2(e)", "assessment of the oversight measures needed";
        measures Items(&[]), "2(e), 3", "the measures";
        interpretation_aids Text, "2(e), 3", "aids to interpret outputs";
    }
    "predetermined_change" true {
        what Text, "2(f)", "a change settled in advance";
        limits Text, "2(f)", "its limits";
        validation Text, "2(f)", "how the requirements stay met through it";
        rollback Text, "2(f)", "how it is undone";
        document File(Kind::Policy), "2(f)", "the document that declares it";
    }
    "test" true {
        id Text, "2(g)", "name of a test";
        procedure Text, "2(g)", "its procedure";
        dataset Text, "2(g)", "name of the data set that it uses";
        metrics Items(&["metric", "value"]), "2(g)", "metrics of accuracy";
        robustness_metrics Items(&["metric", "value"]), "2(g)", "metrics of robustness and other requirements";
        criteria Text, "2(g), Art. 9(8)", "acceptance criteria";
        criteria_defined_at Date, "Art. 9(8)", "day on which they were fixed";
        criteria_sha256 Digest, "Art. 9(8)", "digest of the document that fixes them";
        result Text, "2(g)", "result";
        report File(Kind::TestReport), "2(g)", "the report";
        report_date Date, "2(g)", "date of the report";
        signed_by Person, "2(g)", "the responsible person who signs it";
    }
    "discriminatory_impact" false {
        analysed Flag, "2(g)", "whether discriminatory impacts were analysed";
        groups Items(&[]), "2(g)", "groups that were looked at";
        report File(Kind::EvalReport), "2(g)", "the report";
    }
    "performance" false {
        overall Text, "3", "expected accuracy overall, for the intended purpose";
        by_group Items(&["group", "metric", "value"]), "3", "accuracy by person or group";
        limitations Items(&[]), "3", "limits in performance";
        unintended_outcomes Items(&[]), "3", "foreseeable unintended outcomes";
        risk_sources Items(&[]), "3", "sources of risk to health, safety and fundamental rights";
        metric_rationale Items(&["metric", "why_appropriate", "alternatives_rejected"]), "4", "why the metrics are appropriate";
    }
    "cybersecurity" false {
        measures Items(&[]), "2(h)", "measures in place";
        threat_model Text, "2(h)", "threat model";
        cra_route Text, "Art. 42(3)", "route of the Cyber Resilience Act, where it is taken";
    }
    "risk_management" false {
        file File(Kind::RiskFile), "5", "risk management file";
        version Text, "5", "its version";
        owner Text, "5", "its owner";
        residual_risk_accepted_by Text, "5", "who accepted the residual risk";
    }
    "change" true {
        version Text, "6", "version that a change led to";
        description Text, "6", "the change";
        reason Text, "6", "its reason";
        substantial_modification Choice(&["yes", "no", "undetermined"]), "6, Art. 3(23)", "a legal judgement; undetermined is no answer";
        rationale Text, "6", "why";
        approved_by Text, "6", "who approved it";
        date Date, "6", "its day";
    }
    "standard" true {
        ref Text, "7", "number of a standard or specification";
        edition Text, "7", "its edition";
        oj_reference Text, "7", "its reference in the Official Journal; empty where there is none";
        extent Choice(&["full", "part"]), "7", "applied in full or in part";
        solutions_adopted Text, "7", "solutions adopted where no harmonised standard is applied";
    }
    "declaration_of_conformity" false {
        file File(Kind::DeclarationOfConformity), "8", "the copy";
        signed_on Date, "8, Annex V.8", "day of issue";
        place Text, "8, Annex V.8", "place of issue";
        signatory Text, "8, Annex V.8", "name of who signed";
        function Text, "8, Annex V.8", "their function";
        on_behalf_of Text, "8, Annex V.8", "for, or on behalf of, whom";
    }
    "post_market" false {
        plan File(Kind::PmmPlan), "9", "post-market monitoring plan";
        owner Text, "9", "who runs it";
        metrics Items(&[]), "9", "what is watched";
        triggers Items(&[]), "9", "what leads to action";
    }
    "retention" false {
        policy Text, "Art. 18", "how long, and how, the documentation is kept";
        location Text, "Art. 18", "where";
        legal_hold Flag, "Art. 75a", "whether it may not be deleted";
    }
    "person" true {
        id Text, "2(g)", "short name within this file";
        name Text, "2(g)", "name";
        function Text, "2(g)", "function";
        organisation Text, "2(g)", "organisation";
        on_behalf_of Text, "2(g)", "for, or on behalf of, whom they sign";
        roles Roles, "2(g), Art. 17(1)(m)", "their roles";
        appointment File(Kind::Policy), "Art. 17(1)(m)", "the document that appoints them";
        key Digest, "2(g)", "id of the key that they sign with: `bp keys show`";
    }
    "attachment" true {
        file File(Kind::Other), "any", "a document that answers points by itself";
        answers Points, "any", "these points";
        about Text, "any", "what it is";
    }
    "not_applicable" true {
        id Points, "any", "a point that does not apply";
        reason Text, "any", "why";
        person Person, "any", "who says so";
        date Date, "any", "and on which day";
    }
}
