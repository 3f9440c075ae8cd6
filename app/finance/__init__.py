"""Money in beside money out: revenue, figures of both, campaigns, forecasts, experiments, the month's report.

It reads what the rooms below report; none of them knows of it.
"""
