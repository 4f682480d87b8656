"""A chat page on top of neuralterm's library.

    pip install neuralterm streamlit
    OPENROUTER_API_KEY=... streamlit run streamlit_app.py

Without a key: start `python -m neuralterm.sandbox --port 8899` and set OPENROUTER_BASE_URL=http://127.0.0.1:8899/api/v1
with any OPENROUTER_API_KEY. The conversations are those of the command line: `neuralterm history` lists them.
"""

from __future__ import annotations

import asyncio
import os
from uuid import UUID

import streamlit as st

from neuralterm.application.events import EventBus
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.components.stream_bridge import StreamBridge
from neuralterm.domain.exceptions import NeuralTermError
from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.models import Conversation, MessageRole
from neuralterm.infrastructure.circuit_breaker import CircuitBreaker
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from neuralterm.infrastructure.token_counter import TokenCounter

PUBLIC_API = "https://openrouter.ai/api/v1"


@st.cache_resource
def open_repository() -> SQLiteConversationRepository:
    """One database for all sessions of this server."""
    return SQLiteConversationRepository()


@st.cache_resource
def open_breaker() -> CircuitBreaker:
    """One circuit breaker for all sessions: they ask the same service."""
    return CircuitBreaker()


def open_client() -> OpenRouterClient:
    """One client a run: its connections live in the event loop of one answer and are closed with it."""
    return OpenRouterClient(
        api_key=os.environ.get("OPENROUTER_API_KEY"),
        base_url=os.environ.get("OPENROUTER_BASE_URL", PUBLIC_API),
    )


def current_conversation(orchestrator: ChatOrchestrator, model: str) -> UUID:
    """Return the conversation of this browser tab, which begins with its first question."""
    if "conversation_id" not in st.session_state:
        creating = orchestrator.create_conversation(title=None, model_id=model, system_prompt=None)
        conversation: Conversation = asyncio.run(creating)
        st.session_state["conversation_id"] = conversation.id
    conversation_id: UUID = st.session_state["conversation_id"]
    return conversation_id


def show_history() -> None:
    """Show what was said in this tab; Streamlit runs the whole page anew at every question."""
    if "conversation_id" not in st.session_state:
        return
    for message in open_repository().get_messages(st.session_state["conversation_id"]):
        if message.role is not MessageRole.SYSTEM and message.content:
            with st.chat_message(message.role.value):
                st.markdown(message.content)


def answer(question: str, model: str) -> None:
    """Stream the answer to a question into the page."""
    with st.chat_message("user"):
        st.markdown(question)
    bridge = StreamBridge()
    with st.chat_message("assistant"):
        try:
            client = open_client()
            orchestrator = ChatOrchestrator(open_repository(), client, EventBus(), TokenCounter(), open_breaker())
            conversation_id = current_conversation(orchestrator, model)
            st.write_stream(bridge.stream(orchestrator.send_message(conversation_id, question), client.close))
        except NeuralTermError as error:
            st.error(f"{error} {error.hint or ''}")
            return
        cost = bridge.metadata["cost"] if bridge.metadata else None
        st.caption("cost not known yet" if cost is None else f"${cost:f}")


st.title("neuralterm")
chosen_model = st.sidebar.text_input("Model of a new conversation", DEFAULT_MODEL)
show_history()
if prompt := st.chat_input("Ask something"):
    answer(prompt, chosen_model)
