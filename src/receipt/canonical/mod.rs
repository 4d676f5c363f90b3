//! The canonical bytes of a receipt: fixed key order, nine significant digits, no white space, one line.
//!
//! Maps follow the topology's order, whatever order they stand in; keys that the topology does not name are left out,
//! so a record with such keys is not canonical.
//!
//! `writer` has the layout in one direction and `reader` in the other.

mod reader;
mod scanner;
mod writer;

pub use reader::read;
use writer::Writer;

use crate::at;
use crate::pointer::Pointer;
use crate::receipt::id::{ParamId, UnitId};
use crate::receipt::wire::{
    Activation, Attestor, BiasMode, BiasPolicy, BiasSharing, ByteOutput, DualForm, Factor, FixtureStatus,
    HiddenSignal, Identity, Loss, NumericPolicy, OptimizerConfig, OptimizerState, OutputSignal,
    PolicyTolerance, PostUpdateForward, PostUpdateLoss, Receipt, Sample, SourceFramework, Topology, Unit,
    UnitOrder, Update,
};

/// Why a receipt has no canonical bytes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmitError {
    /// A number that nine plain digits cannot hold.
    #[error(
        "{value:e} at {at} cannot be written: nine significant digits without an exponent reach from 1e-13 to 1e7"
    )]
    OutOfRange {
        /// Where.
        at: Pointer,
        /// The number.
        value: f64,
    },
    /// A key that the layout needs.
    #[error("{at} is missing")]
    Missing {
        /// Where.
        at: Pointer,
    },
}

/// The canonical text of a receipt, with its final line feed.
///
/// # Errors
/// [`EmitError`] with the place.
pub fn emit(receipt: &Receipt) -> Result<String, EmitError> {
    let mut writer = Writer { out: String::with_capacity(1 << 14), path: Vec::new() };
    writer.receipt(receipt)?;
    writer.out.push('\n');
    Ok(writer.out)
}

/// Canonical bytes before and after the member of the attestor that holds a digest: put together, they are the
/// canonical bytes of the record without that member. `None` where it does not stand there.
///
/// Inside a JSON string every quotation mark is escaped, so no text of a receipt can pass for the member.
#[must_use]
pub fn around<'a>(bytes: &'a [u8], key: &str, digest: &str) -> Option<[&'a [u8]; 2]> {
    let member = format!(",\"{key}\":\"{digest}\"");
    let place = bytes.windows(member.len()).position(|window| window == member.as_bytes())?;
    Some([&bytes[..place], &bytes[place + member.len()..]])
}

type Emit = Result<(), EmitError>;

/// Names of units and of parameters in the order in which maps are written.
struct Order {
    input: Vec<UnitId>,
    hidden: Vec<UnitId>,
    output: Vec<UnitId>,
    parameters: Vec<ParamId>,
}

impl Order {
    fn of(topology: &Topology) -> Self {
        let units = |names: [&str; 2]| names.map(UnitId::from).to_vec();
        let mazur =
            || ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "b1", "b2"].map(ParamId::from).to_vec();
        let named = topology.unit_order.clone();
        let (input, hidden, output) = named.map_or_else(
            || (units(["i1", "i2"]), units(["h1", "h2"]), units(["o1", "o2"])),
            |order| (order.input, order.hidden, order.output),
        );
        let parameters = topology.parameter_order.clone().unwrap_or_else(mazur);
        Self { input, hidden, output, parameters }
    }

    fn computed(&self) -> impl Iterator<Item = &UnitId> {
        self.hidden.iter().chain(&self.output)
    }

    fn computed_count(&self) -> usize {
        self.hidden.len() + self.output.len()
    }
}

impl Writer {
    fn receipt(&mut self, receipt: &Receipt) -> Emit {
        let order = Order::of(&receipt.topology);
        let number = |writer: &mut Self, value: &f64| writer.number(*value);
        self.object(|writer| {
            writer.texts("schema_version", &receipt.schema_version)?;
            writer.texts("fixture", &receipt.fixture)?;
            writer.integer("step", receipt.step)?;
            writer.member("fixture_status", |writer| writer.labels(&receipt.fixture_status))?;
            if let Some(framework) = &receipt.source_framework {
                writer.member("source_framework", |writer| writer.framework(framework))?;
            }
            if let Some(attestor) = &receipt.attestor {
                writer.member("attestor", |writer| writer.attestor(attestor))?;
            }
            writer.member("metadata", |writer| writer.metadata(receipt))?;
            writer.member("numeric_policy", |writer| writer.numeric_policy(&receipt.numeric_policy))?;
            writer.member("bias_policy", |writer| writer.bias_policy(&receipt.bias_policy))?;
            writer.member("topology", |writer| writer.topology(&receipt.topology))?;
            writer.numbers("learning_rate", receipt.learning_rate)?;
            if let Some(config) = &receipt.optimizer_config {
                writer.member("optimizer_config", |writer| writer.optimizer_config(config))?;
            }
            writer.optional_text("trace_id", receipt.trace_id.as_deref())?;
            if let Some(index) = receipt.step_index {
                writer.integer("step_index", index)?;
            }
            if let Some(batch) = &receipt.batch {
                writer.member("batch", |writer| {
                    writer.object(|writer| {
                        writer.integer("size", batch.size)?;
                        writer.names("sample_order", &batch.sample_order)?;
                        writer.texts("reduction", &batch.reduction)
                    })
                })?;
            }
            writer.member("inputs", |writer| writer.map(order.input.iter(), &receipt.inputs, number))?;
            writer.member("targets", |writer| writer.map(order.output.iter(), &receipt.targets, number))?;
            writer.member("parameters_before", |writer| {
                writer.map(order.parameters.iter(), &receipt.parameters_before, number)
            })?;
            if let (Some(batch), Some(samples)) = (&receipt.batch, &receipt.per_sample) {
                writer.member("per_sample", |writer| {
                    writer.map(batch.sample_order.iter(), samples, |writer, sample| {
                        writer.sample(&order, sample)
                    })
                })?;
            }
            writer.member("forward", |writer| writer.map(order.computed(), &receipt.forward, Self::unit))?;
            writer.member("loss", |writer| writer.loss(&order, receipt))?;
            writer.member("backward", |writer| {
                writer.object(|writer| {
                    writer.member("output_error_signals", |writer| {
                        let signals = &receipt.backward.output_error_signals;
                        writer.map(order.output.iter(), signals, Self::output_signal)
                    })?;
                    writer.member("hidden_error_signals", |writer| {
                        let signals = &receipt.backward.hidden_error_signals;
                        writer.map(order.hidden.iter(), signals, Self::hidden_signal)
                    })
                })
            })?;
            writer.member("updates", |writer| writer.list(&receipt.updates, Self::update))?;
            writer.member("parameters_after", |writer| {
                writer.map(order.parameters.iter(), &receipt.parameters_after, number)
            })?;
            writer.member("post_update_forward", |writer| {
                writer.post_update_forward(&order, receipt.post_update_forward.as_ref())
            })?;
            writer.member("post_update_loss", |writer| {
                writer.post_update_loss(&order, receipt.post_update_loss.as_ref())
            })
        })
    }

    fn labels(&mut self, labels: &FixtureStatus) -> Emit {
        self.object(|writer| {
            writer.texts("authoring_state", &labels.authoring_state)?;
            writer.texts("verification_state", &labels.verification_state)?;
            writer.truth("canonical", labels.canonical)
        })
    }

    fn framework(&mut self, framework: &SourceFramework) -> Emit {
        self.object(|writer| {
            writer.texts("name", &framework.name)?;
            writer.texts("version", &framework.version)?;
            writer.optional_text("information_uri", framework.information_uri.as_deref())?;
            framework.extractor.as_ref().map_or(Ok(()), |extractor| {
                writer.member("extractor", |writer| {
                    writer.object(|writer| {
                        writer.texts("name", &extractor.name)?;
                        writer.texts("version", &extractor.version)
                    })
                })
            })
        })
    }

    fn attestor(&mut self, attestor: &Attestor) -> Emit {
        let identity = |writer: &mut Self, identity: &Identity| {
            writer.object(|writer| {
                writer.texts("kind", &identity.kind)?;
                writer.texts("identity", &identity.identity)
            })
        };
        self.object(|writer| {
            writer.member("computed_by", |writer| identity(writer, &attestor.computed_by))?;
            writer.member("verified_by", |writer| identity(writer, &attestor.verified_by))?;
            writer.member("differential_tolerance", |writer| {
                writer.object(|writer| {
                    writer.numbers("atol", attestor.differential_tolerance.atol)?;
                    writer.numbers("rtol", attestor.differential_tolerance.rtol)
                })
            })?;
            if let Some(provenance) = &attestor.import_provenance {
                writer.member("import_provenance", |writer| {
                    writer.object(|writer| {
                        writer.texts("source_format", &provenance.source_format)?;
                        writer.texts("source_hash", &provenance.source_hash)?;
                        writer.optional_text("import_timestamp", provenance.import_timestamp.as_deref())
                    })
                })?;
            }
            writer.optional_text("skip_basis", attestor.skip_basis.as_deref())?;
            writer.optional_text("signed_subject_digest", attestor.signed_subject_digest.as_deref())?;
            writer.optional_text("bundle_root_digest", attestor.bundle_root_digest.as_deref())
        })
    }

    fn metadata(&mut self, receipt: &Receipt) -> Emit {
        let note = |key: &str| receipt.metadata.as_ref().and_then(|notes| notes.get(key)?.as_str());
        self.object(|writer| {
            writer.required_text("source", note("source"))?;
            writer.optional_text("url_reference", note("url_reference"))?;
            writer.required_text("gradient_convention", note("gradient_convention"))
        })
    }

    fn numeric_policy(&mut self, policy: &NumericPolicy) -> Emit {
        self.object(|writer| {
            writer.texts("number_encoding", &policy.number_encoding)?;
            writer.integer("precision_significant_digits", policy.precision_significant_digits)?;
            writer.texts("rounding", &policy.rounding)?;
            writer.member("tolerance", |writer| match policy.tolerance {
                PolicyTolerance::Absolute(atol) => writer.number(atol),
                PolicyTolerance::Hybrid(tolerance) => writer.object(|writer| {
                    writer.numbers("atol", tolerance.atol)?;
                    writer.numbers("rtol", tolerance.rtol)
                }),
            })?;
            writer.optional_text("computation_order", policy.computation_order.as_deref())?;
            policy.byte_output.as_ref().map_or(Ok(()), |layout| writer.byte_output(layout))
        })
    }

    fn byte_output(&mut self, layout: &ByteOutput) -> Emit {
        self.member("byte_output", |writer| {
            writer.object(|writer| {
                writer.optional_text("format", layout.format.as_deref())?;
                writer.optional_text("json_key_order", layout.json_key_order.as_deref())?;
                writer.optional_text("trailing_zero_policy", layout.trailing_zero_policy.as_deref())?;
                writer.optional_text("indent", layout.indent.as_deref())
            })
        })
    }

    fn bias_policy(&mut self, policy: &BiasPolicy) -> Emit {
        self.object(|writer| {
            writer.texts(
                "mode",
                match policy.mode {
                    BiasMode::Constant => "constant",
                    BiasMode::Sgd => "sgd",
                },
            )?;
            writer.optional_text("reason", policy.reason.as_deref())?;
            writer.truth("updated_in_step", policy.updated_in_step)?;
            writer.optional_text("reconciliation", policy.reconciliation.as_deref())
        })
    }

    fn topology(&mut self, topology: &Topology) -> Emit {
        self.object(|writer| {
            writer.names("layers", &topology.layers)?;
            writer.integer("input_size", topology.input_size)?;
            writer.integer("hidden_size", topology.hidden_size)?;
            writer.integer("output_size", topology.output_size)?;
            if let Some(UnitOrder { input, hidden, output }) = &topology.unit_order {
                writer.member("unit_order", |writer| {
                    writer.object(|writer| {
                        writer.names("input", input)?;
                        writer.names("hidden", hidden)?;
                        writer.names("output", output)
                    })
                })?;
            }
            if let Some(names) = &topology.parameter_order {
                writer.names("parameter_order", names)?;
            }
            if let Some(parameters) = &topology.parameters {
                writer.member("parameters", |writer| {
                    writer.list(parameters, |writer, parameter| {
                        writer.object(|writer| {
                            writer.texts("id", &parameter.id)?;
                            writer.texts("role", parameter.role.name())?;
                            writer.optional_text("from_unit", parameter.from_unit.as_deref())?;
                            writer.optional_text("to_unit", parameter.to_unit.as_deref())?;
                            let units = parameter.applies_to_units.as_ref();
                            units.map_or(Ok(()), |units| writer.names("applies_to_units", units))
                        })
                    })
                })?;
            }
            writer.optional_text("activation", topology.activation.map(Activation::name))?;
            writer.optional_text("activation_hidden", topology.activation_hidden.map(Activation::name))?;
            writer.optional_text("activation_output", topology.activation_output.map(Activation::name))?;
            writer.texts("loss", topology.loss.name())?;
            writer.optional_text("bias_sharing", topology.bias_sharing.map(BiasSharing::name))
        })
    }

    fn optimizer_config(&mut self, config: &OptimizerConfig) -> Emit {
        self.object(|writer| {
            writer.texts("name", config.name.name())?;
            writer.numbers("learning_rate", config.learning_rate)?;
            for (key, value) in [
                ("beta1", config.beta1),
                ("beta2", config.beta2),
                ("epsilon", config.epsilon),
                ("weight_decay", config.weight_decay),
            ] {
                value.map_or(Ok(()), |value| writer.numbers(key, value))?;
            }
            config.t.map_or(Ok(()), |t| writer.integer("t", t))?;
            config.momentum.map_or(Ok(()), |momentum| writer.numbers("momentum", momentum))?;
            if config.nesterov == Some(true) {
                writer.truth("nesterov", true)?;
            }
            let dampening = config.dampening.filter(|dampening| *dampening != 0.0);
            dampening.map_or(Ok(()), |dampening| writer.numbers("dampening", dampening))
        })
    }

    fn unit(&mut self, unit: &Unit) -> Emit {
        self.object(|writer| {
            writer.numbers("net", unit.net)?;
            writer.numbers("out", unit.out)
        })
    }

    fn sample(&mut self, order: &Order, sample: &Sample) -> Emit {
        let number = |writer: &mut Self, value: &f64| writer.number(*value);
        self.object(|writer| {
            writer.member("inputs", |writer| writer.map(order.input.iter(), &sample.inputs, number))?;
            writer.member("targets", |writer| writer.map(order.output.iter(), &sample.targets, number))?;
            writer.member("forward", |writer| writer.map(order.computed(), &sample.forward, Self::unit))?;
            writer.member("loss", |writer| writer.object(|writer| writer.loss_parts(order, &sample.loss)))
        })
    }

    fn loss_parts(&mut self, order: &Order, loss: &Loss) -> Emit {
        let number = |writer: &mut Self, value: &f64| writer.number(*value);
        self.member("per_output", |writer| writer.map(order.output.iter(), &loss.per_output, number))?;
        self.numbers("total", loss.total)
    }

    fn loss(&mut self, order: &Order, receipt: &Receipt) -> Emit {
        let number = |writer: &mut Self, value: &f64| writer.number(*value);
        let loss = &receipt.loss;
        self.object(|writer| {
            writer
                .member("per_output", |writer| writer.map(order.output.iter(), &loss.per_output, number))?;
            if let (Some(batch), Some(totals)) = (&receipt.batch, &loss.per_sample) {
                writer
                    .member("per_sample", |writer| writer.map(batch.sample_order.iter(), totals, number))?;
            }
            writer.optional_text("reduction", loss.reduction.as_deref())?;
            writer.numbers("total", loss.total)
        })
    }

    fn factors(&mut self, factors: &[Factor]) -> Emit {
        self.member("factors", |writer| {
            writer.list(factors, |writer, factor| {
                writer.object(|writer| {
                    writer.texts("name", &factor.name)?;
                    writer.optional_text("from", factor.from.as_deref())?;
                    writer.numbers("value", factor.value)
                })
            })
        })
    }

    fn output_signal(&mut self, signal: &OutputSignal) -> Emit {
        self.object(|writer| {
            writer.factors(&signal.factors)?;
            writer.texts("product_order", &signal.product_order)?;
            writer.numbers("signal_value", signal.signal_value)?;
            let dual = signal.dual_form.as_ref();
            dual.map_or(Ok(()), |dual| writer.member("dual_form", |writer| writer.dual_form(dual)))
        })
    }

    fn dual_form(&mut self, dual: &DualForm) -> Emit {
        self.object(|writer| {
            writer.member("jacobian_terms", |writer| {
                writer.list(&dual.jacobian_terms, |writer, term| {
                    writer.object(|writer| {
                        writer.texts("target_unit", &term.target_unit)?;
                        writer.factors(&term.factors)?;
                        writer.numbers("term_value", term.term_value)
                    })
                })
            })?;
            writer.texts("product_order", &dual.product_order)?;
            writer.names("summation_order", &dual.summation_order)?;
            writer.numbers("summed_value", dual.summed_value)
        })
    }

    fn hidden_signal(&mut self, signal: &HiddenSignal) -> Emit {
        self.object(|writer| {
            writer.member("downstream_contributions", |writer| {
                writer.list(&signal.downstream_contributions, |writer, contribution| {
                    writer.object(|writer| {
                        writer.texts("from", &contribution.from)?;
                        writer.numbers("downstream_signal", contribution.downstream_signal)?;
                        writer.texts("via_weight", &contribution.via_weight)?;
                        writer.numbers("weight_value", contribution.weight_value)?;
                        writer.numbers("value", contribution.value)
                    })
                })
            })?;
            writer.names("summation_order", &signal.summation_order)?;
            writer.numbers("backpropagated_sum", signal.backpropagated_sum)?;
            writer.numbers("activation_derivative", signal.activation_derivative)?;
            writer.texts("product_order", &signal.product_order)?;
            writer.numbers("signal_value", signal.signal_value)
        })
    }

    fn update(&mut self, update: &Update) -> Emit {
        let state = |writer: &mut Self, state: &OptimizerState| {
            writer.object(|writer| match state {
                OptimizerState::Adam { m, v } => {
                    writer.numbers("m", *m)?;
                    writer.numbers("v", *v)
                }
                OptimizerState::Momentum { buffer } => writer.numbers("buffer", *buffer),
            })
        };
        self.object(|writer| {
            writer.texts("parameter_id", &update.parameter_id)?;
            writer.texts("kind", update.kind.name())?;
            writer.required_text("layer_edge", update.layer_edge.as_deref())?;
            writer.required_text("parameter_role", update.parameter_role.as_deref())?;
            writer.required_text("from_unit", update.from_unit.as_deref())?;
            writer.required_text("to_unit", update.to_unit.as_deref())?;
            writer.numbers("weight_before", update.weight_before)?;
            writer.member("optimizer", |writer| {
                writer.object(|writer| {
                    writer.texts("name", update.optimizer.name.name())?;
                    writer.numbers("learning_rate", update.optimizer.learning_rate)?;
                    writer.factors(&update.optimizer.factors)?;
                    writer.texts("product_order", &update.optimizer.product_order)?;
                    if let Some(before) = &update.optimizer.state_before {
                        writer.member("state_before", |writer| state(writer, before))?;
                    }
                    if let Some(after) = &update.optimizer.state_after {
                        writer.member("state_after", |writer| state(writer, after))?;
                    }
                    Ok(())
                })
            })?;
            writer.numbers("gradient", update.gradient)?;
            writer.numbers("update", update.update)?;
            writer.numbers("weight_after", update.weight_after)
        })
    }

    fn post_update_forward(&mut self, order: &Order, post: Option<&PostUpdateForward>) -> Emit {
        let post = post.ok_or_else(|| EmitError::Missing { at: self.here() })?;
        self.object(|writer| {
            writer.texts("status", &post.status)?;
            writer.members(order.computed(), &post.units, Self::unit)
        })
    }

    fn post_update_loss(&mut self, order: &Order, post: Option<&PostUpdateLoss>) -> Emit {
        let missing = |at: Pointer| EmitError::Missing { at };
        let post = post.ok_or_else(|| missing(self.here()))?;
        let number = |writer: &mut Self, value: &f64| writer.number(*value);
        self.object(|writer| {
            writer.texts("status", &post.status)?;
            let here = |key: &str| Pointer::of(&at!["post_update_loss", key]);
            let per_output = post.per_output.as_ref().ok_or_else(|| missing(here("per_output")))?;
            writer.member("per_output", |writer| writer.map(order.output.iter(), per_output, number))?;
            writer.numbers("total", post.total.ok_or_else(|| missing(here("total")))?)
        })
    }
}
