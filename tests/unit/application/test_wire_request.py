from decimal import Decimal

import pytest

from neuralterm.application.permit import Permit
from neuralterm.application.records import Call, SendOptions
from neuralterm.application.turn import Prompt, Turn, pending_answer
from neuralterm.application.wire_request import request_arguments
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import Conversation, Cost, Message

CEILING = {"prompt": "1", "completion": "2", "request": "0"}


def model(*parameters, id="a/b"):
    return OpenRouterModel(id, supported_parameters=parameters)


def arguments(*models, permit=None, temperature=None, **options):
    models = models or (model(),)
    sent = [Message(content="hi")]
    options = SendOptions(**{"fallbacks": tuple(each.id for each in models[1:]), **options})
    prompt = Prompt(Conversation().id, models[0].id, models[0], sent, sent, fallbacks=models[1:])
    permit = permit or Permit(500, Decimal(1), max_price_per_million=CEILING)
    call = Call(models[0].id, Cost.unsettled())
    return request_arguments(Turn(prompt, pending_answer(prompt), call, permit, options, temperature, started=0.0))


class TestTheCap:
    def test_max_tokens_is_the_usual_name(self):
        assert arguments(model("max_tokens", "max_completion_tokens"))["max_tokens"] == 500
        assert arguments(model())["max_tokens"] == 500

    def test_a_model_that_lists_only_the_other_gets_the_other(self):
        request = arguments(model("max_completion_tokens"))
        assert "max_tokens" not in request
        assert request["extra"]["max_completion_tokens"] == 500

    def test_models_that_differ_get_both(self):
        request = arguments(model("max_completion_tokens"), model("max_tokens", id="c/d"))
        assert request["max_tokens"] == request["extra"]["max_completion_tokens"] == 500

    def test_no_cap_is_none(self):
        request = arguments(permit=Permit(None, None))
        assert request.keys() == {"messages", "model", "temperature"}


class TestReasoningInsideTheCap:
    @pytest.mark.parametrize(("own", "sent"), [(100, 100), (375, 375), (376, 375), (99999, 375)])
    def test_its_own_limit_leaves_room_for_the_answer(self, own, sent):
        request = arguments(extra={"reasoning": {"max_tokens": own, "exclude": True}})
        assert request["extra"]["reasoning"] == {"max_tokens": sent, "exclude": True}

    @pytest.mark.parametrize("wish", [{"effort": "high"}, "high", {"max_tokens": "many"}, {"max_tokens": True}, None])
    def test_other_wishes_stay_as_they_are(self, wish):
        assert arguments(extra={"reasoning": wish})["extra"]["reasoning"] == wish

    def test_a_tiny_cap_leaves_a_limit_of_one(self):
        request = arguments(permit=Permit(1, Decimal(1)), extra={"reasoning": {"max_tokens": 50}})
        assert request["extra"]["reasoning"] == {"max_tokens": 1}


class TestEndpointsThatObey:
    def test_are_asked_for_where_the_list_says_that_there_are_any(self):
        request = arguments(model("max_tokens", "seed"), extra={"seed": 1, "user": "me"})
        assert request["extra"]["provider"] == {"max_price": CEILING, "require_parameters": True}

    @pytest.mark.parametrize("parameters", [(), ("max_tokens",), ("seed", "temperature")])
    def test_are_not_where_it_does_not(self, parameters):
        request = arguments(model(*parameters), extra={"seed": 1})
        assert request["extra"]["provider"] == {"max_price": CEILING}

    def test_temperature_is_a_parameter_too(self):
        assert "require_parameters" not in arguments(model("max_tokens"), temperature=0.5)["extra"]["provider"]
        with_it = arguments(model("max_tokens", "temperature"), temperature=0.5)
        assert with_it["extra"]["provider"]["require_parameters"] is True

    def test_all_models_that_may_answer_must(self):
        request = arguments(model("max_tokens"), model("seed", id="c/d"))
        assert "require_parameters" not in request["extra"]["provider"]

    def test_the_budget_wins_over_a_wish(self):
        request = arguments(model("max_tokens"), extra={"provider": {"require_parameters": False}})
        assert request["extra"]["provider"]["require_parameters"] is True

    def test_without_a_budget_nothing_is_added(self):
        request = arguments(model("max_tokens"), permit=Permit(500, None), extra={"provider": {"sort": "price"}})
        assert request["extra"] == {"provider": {"sort": "price"}}


class TestThePriceCeiling:
    def test_lower_wishes_stay(self):
        own = {"prompt": "0.5", "completion": 99, "image": 3}
        request = arguments(extra={"provider": {"max_price": own}})
        assert request["extra"]["provider"]["max_price"] == {
            "prompt": "0.5",
            "completion": "2",
            "request": "0",
            "image": 3,
        }

    def test_what_is_no_object_is_refused(self):
        with pytest.raises(ValidationError, match="provider"):
            arguments(extra={"provider": "openai"})
