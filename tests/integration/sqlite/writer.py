"""Run by `test_processes.py` in many processes at once: one prompt's writes on a database of all of them.

Begins when its standard input ends. Arguments: the database, and `crash` to end without finishing the answer or `hang` to
wait for ever in the middle of it.
"""

import os
import signal
import sys
from decimal import Decimal

from neuralterm.application.records import Call
from neuralterm.domain.models import Conversation, Cost, CostSource, Message, MessageRole, MessageStatus
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.processes import ProcessTable
from neuralterm.infrastructure.repositories import SQLiteConversationRepository

sys.stdin.read()
database = Database(sys.argv[1])
repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
thread = Conversation()
answer = Message(conversation_id=thread.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING)
call = Call("openai/gpt-4o-mini", Cost.unsettled(Decimal("0.01")), conversation_id=thread.id, message_id=answer.id)
call.owner = ProcessTable().me()
with repository.transaction():
    repository.save(thread)
    repository.add_message(Message(conversation_id=thread.id, content="question"))
    repository.add_message(answer)
    ledger.open_call(call)
    repository.journal.open(answer.id, call, thread)
for text in ("a", "b", "c"):
    repository.journal.append(answer.id, text)
if sys.argv[2:] == ["crash"]:
    os._exit(9)
if sys.argv[2:] == ["hang"]:
    os.write(1, b"in the middle\n")
    signal.pause()
answer.content, answer.status, answer.cost = "abc", MessageStatus.COMPLETE, Decimal("0.001")
call.cost, call.status = Cost(Decimal("0.001"), CostSource.BILLED), MessageStatus.COMPLETE
with repository.transaction():
    repository.finish_message(answer)
    ledger.settle_call(call)
repository.journal.close(answer.id)
database.close()
