"""Durable jobs: claimed when due, tried, tried again, finished.

A job is anything durable that is due, claimed, tried and finished; deliveries are its first kind. What
keeps the jobs and what is done with one are handed in (`jobs.Jobs`, `jobs.Work`): this folder knows no
HTTP, no deliveries and no SQL, and imports the nouns only.

jobs             what a kind of job consists of
keeper           all queues of one kind: a worker for each that has work
worker           one queue: when to claim, to pause, to cancel and to end
claims           the jobs of one queue that are claimed, and when there are more
order            jobs with the same order key one at a time, in their order
crew             the tasks that try jobs and record how it went
pace             how many at a time, and the pauses of a queue that fails
window           how many attempts may be under way
circuit_breaker  when whoever does the work is away, and when it is back
schedule         when a job is tried again
"""
