"""An example of where alerts go: a start for a configuration of one's own."""

from typing import Final

ALERTMANAGER_YAML: Final = """\
# Written by `headrace observe export`: an example. Put your own receivers in.
route:
  receiver: tickets
  group_by: [alertname, job, slo]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  routes:
    - matchers: ['severity="page"']
      receiver: pager
      group_wait: 10s
      repeat_interval: 1h
    - matchers: ['severity="ticket"']
      receiver: tickets

inhibit_rules:
  # Where nobody is there, what else is wrong follows from it.
  - source_matchers: ['alertname="HeadraceGone"']
    target_matchers: ['alertname=~"Headrace.+"', 'alertname!="HeadraceGone"']
  # Who was woken for a service level needs no ticket for it.
  - source_matchers: ['severity="page"', 'alertname=~"HeadraceSloBurns.+"']
    target_matchers: ['severity="ticket"', 'alertname=~"HeadraceSloBurns.+"']
    equal: [job, slo]

receivers:
  - name: pager
    webhook_configs:
      - url: http://127.0.0.1:9095/page
  - name: tickets
    webhook_configs:
      - url: http://127.0.0.1:9095/ticket
"""
