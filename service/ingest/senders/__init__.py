"""Every sender we understand, by the name that stands in its address. One file per sender, no discovery."""

from __future__ import annotations

from service.ingest.senders import (
    app_store,
    chatwoot,
    cloudevents,
    crisp,
    delighted,
    formbricks,
    freshdesk,
    front,
    google_forms,
    google_play,
    gorgias,
    helpscout,
    hubspot,
    intercom,
    jira_sm,
    jotform,
    judgeme,
    mapped,
    qualtrics,
    rfc9421,
    salesforce,
    standard_webhooks,
    surveymonkey,
    tally,
    trustpilot,
    typeform,
    zammad,
    zendesk,
)
from service.ingest.senders.contract import Sender

SENDERS: dict[str, Sender] = {
    sender.name: sender
    for sender in (
        app_store.SENDER,
        chatwoot.SENDER,
        cloudevents.SENDER,
        crisp.SENDER,
        delighted.SENDER,
        formbricks.SENDER,
        freshdesk.SENDER,
        front.SENDER,
        google_forms.SENDER,
        google_play.SENDER,
        gorgias.SENDER,
        helpscout.SENDER,
        hubspot.SENDER,
        intercom.SENDER,
        jira_sm.SENDER,
        jotform.SENDER,
        judgeme.SENDER,
        mapped.SENDER,
        qualtrics.SENDER,
        rfc9421.SENDER,
        salesforce.SENDER,
        standard_webhooks.SENDER,
        surveymonkey.SENDER,
        tally.SENDER,
        trustpilot.SENDER,
        typeform.SENDER,
        zammad.SENDER,
        zendesk.SENDER,
    )
}
