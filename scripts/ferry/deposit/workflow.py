"""The workflow of a draft on an NRP repository: the one it is made with decides who may publish it, and it keeps it."""

from dataclasses import dataclass

from ferry.deposit.settings import DepositSettings
from ferry.errors import ConfigError
from ferry.repository.client import Repository
from ferry.repository.errors import DeadEndError
from ferry.repository.models import Community, RemoteRecord


@dataclass(frozen=True)
class DraftWorkflow:
    """The workflow that a new draft is given (None: the repository's default), and the community that it is for."""

    name: str | None
    community: Community | None
    publishes: bool
    """Whether the draft goes on to be published or reviewed."""

    @classmethod
    async def of(cls, repository: Repository, settings: DepositSettings) -> "DraftWorkflow":
        """Return what the configuration asks for; a community's own workflow where it names none.

        Raises:
            ConfigError: the community does not take drafts of the workflow that is configured.
            PermanentError: there is no such community.
        """
        if settings.community is None:
            return cls(settings.workflow, None, settings.publishes)
        community = await repository.find_community(settings.community)
        name = settings.workflow or community.workflow
        if community.workflows and name not in community.workflows:
            raise ConfigError(
                f"repository.workflow: expected one that the community {community.slug} takes "
                f"({', '.join(community.workflows)}), found {name}; correct it, or leave it out: then drafts "
                "get the community's own"
            )
        return cls(name, community, settings.publishes)

    async def check(self, draft: RemoteRecord, repository: Repository) -> None:
        """Refuse a draft, before a file goes up and before it is published, if that cannot be as is configured.

        Raises:
            DeadEndError: it was made with another workflow.
            PermanentError: its community does not take it.
        """
        if draft.was_published or draft.is_later_version or draft.has_review or self.name is None:
            return
        if draft.workflow is None and self.community is not None:
            # made with the repository's default, which it does not tell: whether the community takes it, it does
            if self.publishes and self.community.workflow is not None:
                await repository.propose(draft, self.community)
            return
        if draft.workflow is None and not repository.has_workflows:
            return
        allowed = {self.name, *(self.community.workflows if self.community else ())}
        if draft.workflow not in allowed:
            # a community takes no drafts of the other workflow, so that to ask for that one would be refused as well
            other = f"; or set repository.workflow to {draft.workflow or 'null'} and run again"
            raise DeadEndError(
                f"draft {draft.id}: expected one with the workflow {self.name}, found "
                f"{draft.workflow or 'the default one'}, which it keeps; delete it at {draft.page_url} and run again"
                f"{'' if self.community else other}"
            )
