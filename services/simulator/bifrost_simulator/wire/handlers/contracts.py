"""Contracts, option chains, symbols, price increments."""

from __future__ import annotations

from bifrost_simulator.wire.contracts import chain_values, contract_query, details_values, sample_values
from bifrost_simulator.wire.handlers.base import Call, Handler


def _contract_details(call: Call) -> None:
    for details in call.world.contract_details(contract_query(call.values)):
        call.answer("contractDetails", details_values(call.req_id, details))
    call.send("contractDetailsEnd", reqId=call.req_id)


def _option_chains(call: Call) -> None:
    values = call.values
    chains = call.world.option_chains(
        values["underlyingSymbol"], values["futFopExchange"], values["underlyingSecType"], values["underlyingConId"]
    )
    for chain in chains:
        call.answer("securityDefinitionOptionParameter", chain_values(call.req_id, chain))
    call.send("securityDefinitionOptionParameterEnd", reqId=call.req_id)


def _matching_symbols(call: Call) -> None:
    samples = call.world.matching_symbols(call.values["pattern"])
    call.send("symbolSamples", reqId=call.req_id, contracts=[sample_values(sample) for sample in samples])


def _market_rule(call: Call) -> None:
    rule_id = call.values["marketRuleId"]
    steps = [{"lowEdge": step.low_edge, "increment": step.increment} for step in call.world.market_rule(rule_id)]
    call.send("marketRule", marketRuleId=rule_id, priceIncrements=steps)


CONTRACT_HANDLERS: dict[str, Handler] = {
    "reqContractDetails": _contract_details,
    "reqSecDefOptParams": _option_chains,
    "reqMatchingSymbols": _matching_symbols,
    "reqMarketRule": _market_rule,
}
