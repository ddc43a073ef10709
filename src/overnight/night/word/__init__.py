"""The night's word to its user while it is at work: messages by apprise, and programs of the user's that get events.

Both run beside the night. Nothing in here may slow or stop it: what happens is put into bounded queues, and threads and
processes with deadlines do the rest. What goes wrong is a note, said once.
"""
