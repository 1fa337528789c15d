// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's memory, which goes away with the device: a BAR of QEMU's ivshmem-plain.
 * Each device has a node, /dev/bar-<its PCI name>. When the device is unbound or
 * unplugged, the node goes; who has it open gets ENODEV, who has it mapped SIGBUS.
 *
 * For a device of your own, change the ids, the BAR, and how it is cached: bar_prot()
 * and the devm_ioremap_resource() in bar_probe() have to agree on that.
 */
#include <linux/io.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "fm_engine.h"

#define BAR_DEVICE_ID	0x1110	/* ivshmem */
#define BAR_INDEX	2

static bool eager;
module_param(eager, bool, 0444);
MODULE_PARM_DESC(eager, "map everything at mmap(2), not at the first touch");

/**
 * struct bar - a device's memory, and what is left when that is gone
 * @ref: one for the driver, from probe to remove, and one for each open file
 * @object: the memory
 * @view: how it is mapped
 * @node: where it is opened
 * @name: of the node
 */
struct bar {
	struct kref ref;
	struct fm_object object;
	struct fm_view view;
	struct miscdevice node;
	char name[32];
};

/* As ioremap() maps it, since x86 forbids two ways at once. */
static pgprot_t bar_prot(const struct fm_object *obj, pgprot_t prot)
{
	return pgprot_device(pgprot_decrypted(prot));
}

static const struct fm_object_ops bar_ops = {
	.is_linear	= true,
	.prot		= bar_prot,
};

static void bar_free(struct kref *ref)
{
	struct bar *bar = container_of(ref, struct bar, ref);

	fm_view_destroy(&bar->view);
	fm_object_destroy(&bar->object);
	kfree(bar);
}

/* The driver has its reference yet: misc_deregister() waits for misc_open(), by a mutex. */
static int bar_open(struct inode *inode, struct file *filp)
{
	struct bar *bar = container_of(filp->private_data, struct bar, node);
	int ret = fm_open(&bar->view, filp);

	if (!ret)
		kref_get(&bar->ref);
	return ret;
}

/* Maybe long after bar_remove(). */
static int bar_release(struct inode *inode, struct file *filp)
{
	struct fm_file *file = filp->private_data;
	struct bar *bar = container_of(file->view, struct bar, view);

	fm_release(inode, filp);
	kref_put(&bar->ref, bar_free);
	return 0;
}

/* The owner: an open file keeps the module, though it does not keep the device. */
static const struct file_operations bar_fops = {
	.owner			= THIS_MODULE,
	.open			= bar_open,
	.release		= bar_release,
	.llseek			= fm_llseek,
	.read_iter		= fm_read_iter,
	.write_iter		= fm_write_iter,
	.mmap			= fm_mmap,
	.get_unmapped_area	= fm_get_unmapped_area,
};

/* The node comes last: from then on somebody may open it. */
static int bar_show(struct bar *bar, struct pci_dev *pdev)
{
	int ret;

	snprintf(bar->name, sizeof(bar->name), "bar-%s", pci_name(pdev));
	bar->node = (struct miscdevice) { MISC_DYNAMIC_MINOR, bar->name, &bar_fops };
	bar->node.parent = &pdev->dev;
	ret = fm_view_init(&bar->view, &bar->object, eager ? FM_EAGER : FM_LAZY_PFN);
	bar->view.window = 0;	/* the engine learns how much to map at a touch */
	return ret ?: misc_register(&bar->node);
}

/* What is managed, pcim_ and devm_, is undone after a failure, or after bar_remove(). */
static int bar_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct resource *res = &pdev->resource[BAR_INDEX];
	resource_size_t len = pci_resource_len(pdev, BAR_INDEX);
	void __iomem *io;
	struct bar *bar;
	int ret;

	if (!(res->flags & IORESOURCE_MEM) || !len || !PAGE_ALIGNED(len))
		return -ENODEV;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	io = devm_ioremap_resource(&pdev->dev, res);
	if (IS_ERR(io))
		return PTR_ERR(io);

	bar = kzalloc(sizeof(*bar), GFP_KERNEL);
	if (!bar)
		return -ENOMEM;
	ret = fm_object_init(&bar->object, &bar_ops, fm_inode_create(), len >> PAGE_SHIFT);
	if (ret) {
		kfree(bar);
		return ret;
	}
	kref_init(&bar->ref);
	bar->object.first_pfn = PHYS_PFN(res->start);
	bar->object.io = io;
	pci_set_drvdata(pdev, bar);
	ret = bar_show(bar, pdev);
	if (ret)
		kref_put(&bar->ref, bar_free);
	return ret;
}

/* Nobody can open it, then nobody sees the memory; only then may that go. */
static void bar_remove(struct pci_dev *pdev)
{
	struct bar *bar = pci_get_drvdata(pdev);

	misc_deregister(&bar->node);
	fm_object_kill(&bar->object);
	kref_put(&bar->ref, bar_free);
}

/* Without a MODULE_DEVICE_TABLE(): nobody should get an example by a device. */
static const struct pci_device_id bar_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, BAR_DEVICE_ID) },
	{ }
};

static struct pci_driver bar_driver = {
	.name		= "bar",
	.id_table	= bar_ids,
	.probe		= bar_probe,
	.remove		= bar_remove,
};
module_pci_driver(bar_driver);

MODULE_DESCRIPTION("A device's memory, by fault or eagerly, until the device goes");
MODULE_LICENSE("GPL");
